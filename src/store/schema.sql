-- The state of one box: what it shares, what that cost, and who owns it.
--
-- Conventions, unless a column says otherwise:
--   * times are seconds since 1970-01-01 UTC (the machine's clock; a board without a battery may say 1970);
--   * sizes are bytes;
--   * file names and paths are BLOBs: the bytes the file system gave, which need not be UTF-8;
--   * a flag is 0 or 1.
--
-- This file makes a fresh database. A change here needs an upgrade step in upgrade.rs that brings older databases
-- to the same schema; a test compares the two. `PRAGMA user_version` holds the version, `PRAGMA application_id`
-- says that the file is ours.

-- What the owner can change, one row per setting. A setting without a row has its default (setting.rs).
CREATE TABLE setting (
  -- Name of the field of `Settings`.
  key TEXT NOT NULL PRIMARY KEY,

  -- The value as JSON.
  value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;

-- Who owns the box: at most one row. No row: nobody can claim it yet.
CREATE TABLE owner (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),

  -- SHA-256 of the setup code while the box is unclaimed, NULL afterwards.
  setup_code BLOB CHECK (length(setup_code) = 32),

  -- The owner's password as an Argon2id PHC string, NULL while the box is unclaimed.
  password TEXT CHECK (password LIKE '$argon2id$%'),

  -- When the box was claimed, NULL while it is not.
  claimed INTEGER,

  -- Unclaimed with a code, or claimed with a password; nothing between.
  CHECK ((setup_code IS NULL) = (password IS NOT NULL) AND (claimed IS NULL) = (password IS NULL))
) STRICT;

-- Browsers that are signed in.
CREATE TABLE session (
  -- SHA-256 of the token in the browser's cookie. The token itself is nowhere on the box.
  token BLOB NOT NULL PRIMARY KEY CHECK (length(token) = 32),

  -- When the owner signed in.
  created INTEGER NOT NULL,

  -- When the session was last used; written at most once a minute.
  seen INTEGER NOT NULL,

  -- The network address it was last used from, as text; written with `seen`. NULL for sessions of version 3 until then.
  address TEXT,

  -- What the browser said of itself when it signed in (`User-Agent`), its beginning; NULL when it said nothing.
  agent TEXT
) STRICT, WITHOUT ROWID;

-- Programs that may use the API.
CREATE TABLE api_token (
  -- Never reused.
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,

  -- SHA-256 of the token. The token itself is nowhere on the box.
  token BLOB NOT NULL UNIQUE CHECK (length(token) = 32),

  -- What the owner calls it.
  name TEXT NOT NULL CHECK (length(name) > 0),

  -- What it is good for; each includes the one before. 'metrics': the figures for monitoring. 'read': everything that
  -- can be looked at, but the account. 'manage': releases, uploads, settings.
  scope TEXT NOT NULL CHECK (scope IN ('metrics', 'read', 'manage')),

  -- When it was made.
  created INTEGER NOT NULL,

  -- After when it is good for nothing; NULL is never.
  expires INTEGER,

  -- When it was last used, NULL while it was not; written at most once an hour.
  used INTEGER
) STRICT;

-- Places releases come from.
CREATE TABLE source (
  -- Never reused.
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,

  -- 'folder': a folder the owner named; read-only to us.
  -- 'uploads': the box's own folder, which uploads are received into and removed from.
  -- 'drive': a file system on a drive that was plugged in; read-only to us.
  -- 'share': a folder of another machine on the network; read-only to us.
  kind TEXT NOT NULL CHECK (kind IN ('folder', 'uploads', 'drive', 'share')),

  -- What the source is known by when it comes back: for a folder its path, for the uploads the word 'uploads', for a
  -- drive what its file system and its maker number it by, for a share its protocol, server and folder.
  key BLOB NOT NULL,

  -- What the owner sees.
  name TEXT NOT NULL,

  -- Where it is now, or was last; absolute.
  path BLOB NOT NULL,

  -- Flag: whether what is found in it is shared without asking.
  auto_share INTEGER NOT NULL CHECK (auto_share IN (0, 1)),

  -- When it was first seen.
  added INTEGER NOT NULL,

  -- What else is known of a drive or share, as a JSON object (`Facts` in facts.rs); NULL for others.
  facts TEXT CHECK (json_valid(facts)),

  -- When the owner removed it, while it is not plugged in; NULL otherwise.
  removed INTEGER,

  UNIQUE (kind, key)
) STRICT;

-- How the network shares among the sources are reached.
CREATE TABLE share (
  source INTEGER NOT NULL PRIMARY KEY REFERENCES source (id),

  -- 'smb' (2 or 3), 'nfs' (3 or 4).
  protocol TEXT NOT NULL CHECK (protocol IN ('smb', 'nfs')),

  -- Name or address of the machine, with a port if it is not the usual one.
  server TEXT NOT NULL CHECK (length(server) > 0),

  -- SMB: the share's name, then the folder within it. NFS: the exported path.
  folder TEXT NOT NULL CHECK (length(folder) > 0),

  -- Who we are there: SMB only, NULL is a guest.
  user TEXT,

  -- The Windows domain of `user`; NULL is none.
  domain TEXT,

  -- The password of `user`, as it is: the server wants it so. This file is readable to nobody but us, and backups
  -- leave it out.
  password TEXT
) STRICT;

-- Things the owner shares: a file or a top-level folder of a source each. Rows are never deleted: one that is gone is
-- marked `removed`, keeps its decisions and its ledger, and is not taken up again by the next look at its source.
CREATE TABLE release (
  -- Never reused.
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,

  -- The source it comes from.
  source INTEGER NOT NULL REFERENCES source (id),

  -- The file's or folder's name within the source; no separator in it.
  name BLOB NOT NULL CHECK (length(name) > 0),

  -- Where it is in its life. This column is the work queue: after a restart each release goes on from here.
  stage TEXT NOT NULL CHECK (stage IN (
    'found', 'hashing', 'ready', 'spreading', 'supporting', 'retired', 'absent', 'paused', 'failed'
  )),

  -- The stage to go back to once it is resumed or its drive is here again. Set while absent or paused, else NULL.
  resume_stage TEXT CHECK (resume_stage IN (
    'found', 'hashing', 'ready', 'spreading', 'supporting', 'retired', 'failed'
  )),

  -- Why it is in that stage, in plain words for the owner.
  reason TEXT NOT NULL,

  -- Since when it is in that stage.
  since INTEGER NOT NULL,

  -- Bytes of all its files, padding included.
  size INTEGER NOT NULL CHECK (size >= 0),

  -- Number of its files, padding left out.
  files INTEGER NOT NULL CHECK (files >= 0),

  -- SHA-1 of the info dictionary in `torrent`; NULL while there is none.
  info_hash BLOB CHECK (length(info_hash) = 20),

  -- Bytes in a piece of that torrent; NULL while there is none.
  piece_length INTEGER CHECK (piece_length > 0),

  -- Flag: whether the torrent is private (BEP 27): peers from its trackers only.
  private INTEGER NOT NULL CHECK (private IN (0, 1)),

  -- When the owner removed it; NULL while it is here.
  removed INTEGER,

  -- When it was first found.
  added INTEGER NOT NULL,

  UNIQUE (source, name),
  CHECK ((stage IN ('absent', 'paused')) = (resume_stage IS NOT NULL)),
  CHECK ((info_hash IS NULL) = (piece_length IS NULL)),
  -- What is offered to others has a torrent.
  CHECK (info_hash IS NOT NULL OR coalesce(resume_stage, stage) IN ('found', 'hashing', 'failed'))
) STRICT;

-- Not unique: the same folder on two drives is two releases with one info hash.
CREATE INDEX release_by_info_hash ON release (info_hash) WHERE info_hash IS NOT NULL;

-- The files of a release as they were when it was listed. Their folder is the source's path and the release's name.
CREATE TABLE release_file (
  release INTEGER NOT NULL REFERENCES release (id),

  -- Place in the torrent, counted from 0.
  position INTEGER NOT NULL CHECK (position >= 0),

  -- Path below the release's folder; empty when the release is one file.
  path BLOB NOT NULL,

  -- Bytes in the torrent.
  length INTEGER NOT NULL CHECK (length >= 0),

  -- The identity that tells whether the file changed since; all three NULL for padding (BEP 47), which has no file.
  -- Bytes on disk.
  size INTEGER CHECK (size >= 0),

  -- Modification time, nanoseconds since 1970-01-01 UTC.
  mtime_ns INTEGER,

  -- Inode number, its 64 bits read as a signed integer.
  inode INTEGER,

  PRIMARY KEY (release, position),
  CHECK ((size IS NULL) = (mtime_ns IS NULL) AND (size IS NULL) = (inode IS NULL))
) STRICT, WITHOUT ROWID;

-- The torrents of hashed releases. Apart from `release`, so that lists do not read past 40 KiB of piece hashes each.
CREATE TABLE torrent (
  release INTEGER NOT NULL PRIMARY KEY REFERENCES release (id),

  -- The bencoded info dictionary (BEP 3), byte for byte what `release.info_hash` was taken of.
  info BLOB NOT NULL
) STRICT;

-- Piece hashes of releases that are being hashed, so that a restart reads no byte twice. One row per checkpoint: a
-- checkpoint then writes a page or two, where one growing BLOB would be written anew each time.
CREATE TABLE hash_progress (
  release INTEGER NOT NULL REFERENCES release (id),

  -- Number of the first piece of this row, counted from 0. Rows follow one another without a gap.
  first_piece INTEGER NOT NULL CHECK (first_piece >= 0),

  -- Bytes in a piece; the same in all rows of a release.
  piece_length INTEGER NOT NULL CHECK (piece_length > 0),

  -- SHA-1 of each piece, 20 bytes each, one after another.
  hashes BLOB NOT NULL CHECK (length(hashes) > 0 AND length(hashes) % 20 = 0),

  PRIMARY KEY (release, first_piece)
) STRICT, WITHOUT ROWID;

-- Every change of stage, in plain words. Kept for good.
CREATE TABLE decision (
  -- In the order in which they were taken.
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,

  release INTEGER NOT NULL REFERENCES release (id),

  -- When it was taken.
  at INTEGER NOT NULL,

  -- The stage the release went to, or stayed in for a new reason.
  stage TEXT NOT NULL CHECK (stage IN (
    'found', 'hashing', 'ready', 'spreading', 'supporting', 'retired', 'absent', 'paused', 'failed'
  )),

  -- Why.
  reason TEXT NOT NULL
) STRICT;

CREATE INDEX decision_by_release ON decision (release, id);

-- What each release cost, per day. Kept for good.
CREATE TABLE ledger (
  release INTEGER NOT NULL REFERENCES release (id),

  -- The owner's day it was written on, counted from 1970-01-01 by the calendar of his time zone then. Rows of version 1
  -- are by UTC.
  day INTEGER NOT NULL,

  -- Bytes of content uploaded.
  payload_bytes INTEGER NOT NULL CHECK (payload_bytes >= 0),

  -- Bytes the line carried for it: payload, protocol, TCP/IP headers, retransmits.
  wire_bytes INTEGER NOT NULL CHECK (wire_bytes >= 0),

  PRIMARY KEY (release, day)
) STRICT, WITHOUT ROWID;

-- The month's quota sums over releases.
CREATE INDEX ledger_by_day ON ledger (day);

-- Of which content of a release the payload in its ledger is. A row for each release that had a torrent: when its files become
-- another torrent, a copy of what it was before is no copy of what it is.
CREATE TABLE ledger_content (
  release INTEGER NOT NULL PRIMARY KEY REFERENCES release (id),

  -- SHA-1 of the info dictionary of the last torrent that it had. The same files read again are the same content.
  info_hash BLOB NOT NULL CHECK (length(info_hash) = 20),

  -- Bytes of payload in `ledger` that are of contents before that one.
  payload_before INTEGER NOT NULL CHECK (payload_before >= 0)
) STRICT;

-- What no release cost, per day: trackers, DHT, strangers who are turned away. The month's quota counts it too.
CREATE TABLE ledger_beside (
  -- As in `ledger`.
  day INTEGER NOT NULL PRIMARY KEY,

  -- Bytes the line carried.
  wire_bytes INTEGER NOT NULL CHECK (wire_bytes >= 0)
) STRICT;

-- What the owner wants of one release, where it is not what he wants of all: NULL is as in `setting`, or where there is
-- no such setting, the program's default.
CREATE TABLE release_setting (
  release INTEGER NOT NULL PRIMARY KEY REFERENCES release (id),

  -- Others that must hold it whole before it retires.
  relays INTEGER CHECK (relays > 0),

  -- Flag: whether to go on seeding when others carry it.
  keep INTEGER CHECK (keep IN (0, 1)),

  -- Flag: whether to give more than the swarm lacks once its first copy is out.
  generous INTEGER CHECK (generous IN (0, 1)),

  -- Seconds that others must have been enough before it retires.
  sustain INTEGER CHECK (sustain >= 0),

  -- Seconds over which looks for another must have been in vain before it is not believed any more.
  patience INTEGER CHECK (patience >= 0),

  -- Bytes on the wire that it may cost in a month; NULL is as many as the quota has.
  monthly_budget INTEGER CHECK (monthly_budget >= 0),

  -- How many of the others must have served a block of it.
  proven INTEGER CHECK (proven >= 0),

  -- Looks in vain after which another is not believed any more.
  missed INTEGER CHECK (missed > 0),

  -- Seconds between the first and the last time another must have been seen.
  apart INTEGER CHECK (apart >= 0),

  -- Seconds after which another does not count until it is seen again.
  fresh INTEGER CHECK (fresh >= 0),

  -- Seconds after which another of whom nothing was heard is not believed any more.
  forget INTEGER CHECK (forget >= 0),

  -- Seconds that somebody must be stuck to wake it although the others are there.
  reach INTEGER CHECK (reach >= 0),

  -- Seconds between a stop and a return, and between a return and a stop.
  dwell INTEGER CHECK (dwell >= 0)
) STRICT;

-- Who was seen to hold every piece of a release: a few of each, the best, written when they change. After a restart they
-- are looked for again; until they are seen they count for no more than a claim.
CREATE TABLE relay (
  release INTEGER NOT NULL REFERENCES release (id),

  -- Where it listens: an address and a port, IPv6 in brackets.
  addr TEXT NOT NULL,

  -- Flag: whether it served a block that is ours; 0: its bitfield said that it holds every piece.
  proven INTEGER NOT NULL CHECK (proven IN (0, 1)),

  -- By what it was seen, in one word: 'bitfield', 'probe'.
  witness TEXT NOT NULL,

  -- When it was first seen so.
  first INTEGER NOT NULL,

  -- When it was last seen so; may be an hour behind.
  last INTEGER NOT NULL,

  PRIMARY KEY (release, addr)
) STRICT, WITHOUT ROWID;
