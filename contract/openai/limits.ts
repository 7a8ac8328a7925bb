/** Bounds on what a client may send; a request beyond one is refused, never cut. */

/** Bytes of a request body. */
export const MAX_BODY_BYTES = 5_000_000;
/** Objects and arrays within one another in a request body. */
export const MAX_JSON_DEPTH = 64;
export const MAX_MODEL_ID_LENGTH = 256;
export const MAX_MESSAGES = 4_096;
export const MAX_CONTENT_PARTS = 2_048;
/** Tool calls of one assistant message. */
export const MAX_TOOL_CALLS = 128;
export const MAX_CHOICES = 128;
export const MAX_TOP_LOGPROBS = 20;
/** Tokens of `logit_bias`. */
export const MAX_BIASED_TOKENS = 1_024;
/** Pairs of `metadata`, and UTF-16 units of their names and values. */
export const MAX_METADATA = { pairs: 16, name: 64, value: 512 };
/** UTF-16 units of what tells one end user or one prompt from another. */
export const MAX_IDENTIFIER_LENGTH = 512;
export const MAX_STOPS = 4;
/** UTF-16 units of one stop string. */
export const MAX_STOP_LENGTH = 1_024;
/** Problems named in one error message; the rest are counted. */
export const MAX_PROBLEMS_NAMED = 16;
