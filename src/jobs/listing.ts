/** In the `meta` of an argument that tools take and do not list. */
export const UNLISTED = Object.freeze({ unlisted: true });
/** In the `meta` of an argument that tools list by its type alone. */
export const BRIEF = Object.freeze({ brief: true });
