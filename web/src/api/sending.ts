/** Sends a file in one request, and tells how much of it has left: `fetch` does not. */

/** As `sendFile`; another one in tests. */
export type SendFile = (
  url: string,
  file: Blob,
  /** Called with the bytes that have left. */
  told: (sent: number) => void,
  signal: AbortSignal,
) => Promise<Response>;

/** Rejects when the box was not reached, or the signal says so. */
export const sendFile: SendFile = (url, file, told, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.setRequestHeader('accept', 'application/json');
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded }) => {
      told(loaded);
    };
    request.onload = () => {
      resolve(new Response(request.responseText, { status: request.status }));
    };
    request.onerror = request.onabort = () => {
      reject(new TypeError('the box was not reached'));
    };
    signal.addEventListener('abort', () => {
      request.abort();
    });
    request.send(file);
  });
