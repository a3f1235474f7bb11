/* Recordings of correct runs, written by hand: between them every kind of event occurs. */
#ifndef SCENES_H
#define SCENES_H

#include "script.h"

struct scene {
    const char *name;
    void (*write)(struct script *s);
};

extern const struct scene scenes[]; /* up to one whose name is NULL */

#endif
