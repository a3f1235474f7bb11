/* What can be done to one event of a recording, and which of that cannot be noticed. */
#ifndef MUTATION_H
#define MUTATION_H

#include "script.h"

struct mutation {
    const char *name;
    void (*change)(struct script *s, size_t at);
};

extern const struct mutation mutations[]; /* up to one whose name is NULL */

/* Why a mutation of an event of this kind may go unnoticed; NULL when it may not. */
const char *silence_for(unsigned kind, const char *mutation);

#endif
