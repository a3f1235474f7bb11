/* A parker: where one thread sleeps until another one lets it go on. */
#ifndef PARKER_H
#define PARKER_H

#include "waker.h"

#include <pthread.h>
#include <stdbool.h>

struct parker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool token; /* under lock: somebody has unparked, and nobody has used that up yet */
};

void parker_init(struct parker *parker);
void parker_destroy(struct parker *parker);

/* Sleeps until there is a token, and uses it up. One that came first is there already: then it returns at once. */
void parker_park(struct parker *parker);

/* Leaves a token; two are the same as one. Any thread. After the last token that the sleeper waits for it may destroy
 * the parker at once. */
void parker_unpark(struct parker *parker);

/* A waker that unparks. It need not be dropped, and must not outlive the parker. */
struct waker parker_waker(struct parker *parker);

#endif
