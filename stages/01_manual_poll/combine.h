/* Futures made of futures. A parent polls its children with its own context, so whatever wakes a child wakes the whole.
 *
 * Both take over the children they are given, by pointer: the children must stay where they are, their outputs are read
 * in their own structs, and dropping the parent drops them. */
#ifndef COMBINE_H
#define COMBINE_H

#include "future.h"

/* Polls first until it is ready, then second. between (may be NULL) runs once in the middle, to hand the output of the
 * first to the inputs of the second. */
struct then {
    struct future base;
    struct future *first;
    struct future *second;
    void (*between)(struct future *first, struct future *second);
    enum { THEN_FIRST, THEN_SECOND } state;
};

#define then(first, second, between) then_at(first, second, between, SITE("then"))
struct then then_at(struct future *first, struct future *second, void (*between)(struct future *, struct future *),
                    const struct site *at);

/* Polls both until both are ready; they wait side by side. */
struct join {
    struct future base;
    struct future *left;
    struct future *right;
};

#define join(left, right) join_at(left, right, SITE("join"))
struct join join_at(struct future *left, struct future *right, const struct site *at);

#endif
