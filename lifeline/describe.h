/* Words for what a recording holds: shared by every command that prints. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "recording.h"

#define DESCRIBE_SIZE 160 /* room that is always enough for the functions below */

/* The event's arguments in words: "states queued -> running, poll 2", "epoll_ctl(6, add)". Returns to, a buffer of
 * size bytes, always terminated. */
const char *describe_args(const struct recording *rec, const struct event *ev, char *to, size_t size);

/* A state word as words: "queued|running", "idle" for none. */
const char *describe_state(unsigned state, char *to, size_t size);

/* A task by its number and its future's type: "task 3 (echo)". */
const char *describe_task(const struct recording *rec, uint32_t task, char *to, size_t size);

/* A thread by its name, or "thread 2". */
const char *describe_thread(const struct recording *rec, uint32_t thread, char *to, size_t size);

/* "lock 3", or "lock 3, shared" for a thread's share of a lock that several may hold. */
const char *describe_lock(uint64_t number, char *to, size_t size);

/* The source of a waker with its number: "read of fd 5", "end of task 2". */
const char *describe_source(unsigned source, uint64_t number, char *to, size_t size);

/* A duration, in the unit that suits it: "340 ns", "1.25 ms". */
const char *describe_time(uint64_t ns, char *to, size_t size);

#endif
