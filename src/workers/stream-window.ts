/** Number of items that a worker may send before the main process has passed on the first of them. */
export const WINDOW = 8;
/** Number of items after which the main process allows as many more. */
export const GRANT = WINDOW / 2;
