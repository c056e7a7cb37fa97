/** The words of the API, as the box's own OpenAPI document defines them. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type BoxInfo = Schemas['BoxInfo'];
export type Overview = Schemas['Overview'];
export type ReleaseView = Schemas['ReleaseView'];
export type ReleaseDetail = Schemas['ReleaseDetail'];
export type BoardView = Schemas['BoardView'];
export type ReachView = Schemas['ReachView'];
export type RelayView = Schemas['RelayView'];
export type SourceView = Schemas['SourceView'];
export type Share = Schemas['ShareView'];
export type ShareRequest = Schemas['ShareRequest'];
export type SharePatch = Schemas['SharePatch'];
export type UpstreamView = Schemas['UpstreamView'];
export type QuotaView = Schemas['QuotaView'];
export type ShareKit = Schemas['ShareKit'];
export type Settings = Schemas['Settings'];
export type SettingsPatch = Schemas['SettingsPatch'];
export type ReleaseSettings = Schemas['ReleaseSettings'];
export type ReleaseSettingsPatch = Schemas['ReleaseSettingsPatch'];
export type ScheduleWindow = Schemas['Window'];
export type Weekday = Schemas['Weekday'];
export type HistoryView = Schemas['HistoryView'];
export type PiecesView = Schemas['PiecesView'];
export type LoggedDecision = Schemas['LoggedDecision'];
export type Upload = Schemas['Upload'];
export type Session = Schemas['SessionView'];
export type Token = Schemas['TokenView'];
export type Scope = Schemas['Scope'];
export type BoxState = Schemas['BoxState'];
export type JournalView = Schemas['JournalView'];
export type LogLine = Schemas['LogLine'];
export type LogView = Schemas['LogView'];
export type LogLevel = Schemas['Level'];
export type Backup = Schemas['Backup'];
export type Restored = Schemas['Restored'];
export type SystemView = Schemas['SystemView'];
export type UpdateView = Schemas['UpdateView'];
export type WifiView = Schemas['WifiView'];
export type Problem = Schemas['Problem'];

/** Where a release is in its life. */
export const stages = [
  'found',
  'hashing',
  'ready',
  'spreading',
  'supporting',
  'retired',
  'absent',
  'paused',
  'failed',
] as const;

export type Stage = (typeof stages)[number];

/** The stage a word names; none for a word of a newer box. */
export function stageOf(word: string): Stage | undefined {
  return stages.find((stage) => stage === word);
}
