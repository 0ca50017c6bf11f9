import { MAX_ANSWER_BYTES, type DueWebhook } from "../state/webhooks.ts";

/** The JSON that a webhook sends. It is the same in each attempt. */
export function webhookBody({
  requestId,
  requestAttempt,
  status,
  answer,
  answerBytes,
}: Pick<DueWebhook, "requestId" | "requestAttempt" | "status" | "answer" | "answerBytes">): Buffer {
  const isOk = status >= 200 && status < 300;
  const payload = payloadOf(answer, answerBytes);
  const head = JSON.stringify({
    request_id: requestId,
    gateway_request_id: requestAttempt === 1 ? requestId : `${requestId}-${requestAttempt}`,
    status: isOk ? "OK" : "ERROR",
    ...(isOk ? {} : { error: `Invalid status code: ${status}` }),
    ...("error" in payload ? { payload_error: payload.error } : {}),
  });
  // The payload's text is sent as the app has written it: numbers and the order of fields stay.
  const text = "json" in payload ? payload.json : "null";
  return Buffer.from(`${head.slice(0, -1)},"payload":${text}}`);
}

function payloadOf(
  answer: Buffer | null,
  bytes: number,
): { readonly json: string } | { readonly error: string } {
  if (answer === null) {
    return {
      error: `The answer has ${bytes} bytes, and a webhook ${MAX_ANSWER_BYTES} at most: fetch the result of the request.`,
    };
  }
  if (answer.length === 0) return { json: "null" };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(answer);
    JSON.parse(text);
    return { json: text };
  } catch {
    return { error: "The answer is not JSON: fetch the result of the request." };
  }
}
