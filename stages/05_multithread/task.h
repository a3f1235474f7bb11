/* A task: a future that was handed to a runtime, one of whose workers polls it whenever somebody has woken it.
 *
 * The task's header and its future are one block of memory: spawning moves the future in behind the header. The block
 * is owned by the runtime (until the task is done), by the join handle and by every waker; the last one frees it. */
#ifndef TASK_H
#define TASK_H

#include "future.h"
#include "join.h"
#include "wake.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct executor;
struct runtime;

struct task {
    /* any thread */
    atomic_uint state; /* enum task_state */
    atomic_uint join;  /* enum join_state */
    atomic_uint refs;  /* how many owners the block has */

    /* set once */
    uint32_t id; /* its number in recordings, from 1 */

    /* set by the executor that takes the task over, before it takes it from its queue for the first time */
    struct executor *executor;

    /* whoever set QUEUED, until it is in the queue; then the queue's */
    struct task *next;

    /* the executor's thread */
    struct task *alive_next, *alive_prev; /* the executor's list of all tasks that are not done */
    uint32_t polls;                       /* how often it was polled */

    /* one of the two sides that meet in `join`: see there which */
    struct waker joiner; /* where whoever waits for this task leaves a waker */

    _Alignas(max_align_t) unsigned char future[];
};

struct join_handle;

/* Moves *f, a concrete future that was never polled, into a new task of rt and queues it. *f must not be used again.
 * Any thread. handle: filled in, to be dropped by the caller; NULL lets the task run on its own ("detached").
 * Returns 0; -ENOMEM; -ESHUTDOWN once runtime_destroy has begun. If it fails, nothing happened and f is still the
 * caller's. Aborts with the caller's line if f was used before, or if rt is NULL. */
#define task_spawn(rt, f, handle) task_spawn_at(rt, &(f)->base, sizeof *(f), handle, SITE(#f))
int task_spawn_at(struct runtime *rt, struct future *f, size_t size, struct join_handle *handle, const struct site *at);

static inline struct future *task_future(struct task *task)
{
    return (struct future *)task->future;
}

/* What became of a task that the executor took out of the queue. */
enum task_outcome { TASK_IS_IDLE, TASK_IS_WOKEN, TASK_IS_OVER };

/* For the runtime. joined: the caller is the joining side (join.h) and an owner of *task; otherwise *task is not the
 * caller's to touch. Returns and aborts as task_spawn does. */
int task_start(struct runtime *rt, struct future *f, size_t size, bool joined, struct task **task,
               const struct site *at);
enum task_outcome task_run(struct task *task); /* polls it, or ends it if it was aborted */
void task_drop_output(struct task *task);      /* of a task that is over, when nobody will take it */
void task_ref(struct task *task);
void task_unref(struct task *task); /* gives up one owner's share of the block */

#endif
