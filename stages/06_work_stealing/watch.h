/* The watch: where idle workers sleep.
 *
 * It is an epoll set that holds the epoll sets of all reactors, and the eventfd for nudges. So whatever happens to any
 * descriptor of any worker wakes a worker that is idle, and not the one whose reactor it is, which may be busy. The
 * kernel wakes one of the sleepers for one event. (With a single worker there is nobody to watch for: its reactor's own
 * epoll set is the watch, and a wait is one system call, not two.) */
#ifndef WATCH_H
#define WATCH_H

#include "site.h"

#include <stdint.h>

struct executor;
struct runtime;

struct watch {
    int epoll_fd; /* -1: a single worker, no watch */
    int nudge_fd;
};

/* For a runtime whose reactors are there already. 0 or -errno. */
int watch_init(struct watch *watch, struct runtime *rt);
void watch_destroy(struct watch *watch);

/* A worker that has nothing to do: waits until there is something at any reactor, but at most until the first timer of
 * its own, and wakes the tasks concerned. */
void watch_wait(struct watch *watch, struct executor *ex);

/* Ends the wait of one sleeper, or the next that begins. Any thread. */
void watch_nudge(struct watch *watch);

#endif
