/* Waits for whichever of two futures is ready first, and drops the other half-way: that is all cancelling is. */
#ifndef SELECT_H
#define SELECT_H

#include "future.h"

/* Takes over both futures by pointer: they must stay where they are. If both are ready, the left one wins. Dropping the
 * select drops what is left of them. */
struct select {
    struct future base;
    struct future *left;
    struct future *right;
    struct future *winner; /* the output: left or right, once ready */
};

#define select_first(left, right) select_first_at(left, right, SITE("select_first"))
struct select select_first_at(struct future *left, struct future *right, const struct site *at);

#endif
