/**
 * Copies text. `http://semoir.local` is no secure context, so the clipboard interface is absent there, and the
 * old way through a selection is the one that works.
 */
export async function copyText(text: string): Promise<boolean> {
  if (window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the owner or a policy: the old way may still do.
    }
  }
  const back = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden';
  area.setAttribute('readonly', '');
  document.body.append(area);
  area.select();
  try {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way without a secure context
    return document.execCommand('copy');
  } catch {
    return false;
  } finally {
    area.remove();
    if (back instanceof HTMLElement) back.focus();
  }
}
