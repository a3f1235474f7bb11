/* Threads that contend for a lock around a counter, whichever lock it is. */
#ifndef CONTEST_H
#define CONTEST_H

#include "subject.h"

/* body: locks, adds 1 to *counter, unlocks, so many times. */
void contest(struct work *work, unsigned threads, void (*body)(uint64_t times, uint64_t *counter));

#endif
