/* A task: a future that was handed to an executor, which polls it whenever somebody has woken it.
 *
 * The task's header and its future are one block of memory: spawning moves the future in behind the header. The block
 * is owned by the executor (until the task is done), by the join handle and by every waker; the last one frees it. */
#ifndef TASK_H
#define TASK_H

#include "future.h"
#include "wake.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct executor;

struct task {
    /* any thread */
    atomic_uint state; /* enum task_state */
    atomic_uint refs;  /* how many owners the block has */

    /* set once */
    struct executor *executor;
    size_t future_size;
    uint32_t id; /* its number in recordings, from 1 */

    /* whoever set QUEUED, until it is in the queue; then the queue's */
    struct task *next;

    /* the executor's thread */
    struct task *alive_next, *alive_prev; /* the executor's list of all tasks that are not done */
    struct waker joiner;                  /* where the task that waits for this one leaves its waker */
    uint32_t polls;                       /* how often it was polled */
    bool output_wanted;                   /* a join handle will take the output, or drop it */
    _Alignas(max_align_t) unsigned char future[];
};

struct join_handle;

/* Moves *f, a concrete future that was never polled, into a new task of ex and queues it. *f must not be used again.
 * handle: filled in, to be dropped by the caller; NULL lets the task run on its own ("detached").
 * Returns 0, or -ENOMEM: then nothing happened and f is still the caller's. Aborts with the caller's line if f was used
 * before, if ex is NULL or was destroyed, and on any thread but the executor's. */
#define task_spawn(ex, f, handle) task_spawn_at(ex, &(f)->base, sizeof *(f), handle, SITE(#f))
int task_spawn_at(struct executor *ex, struct future *f, size_t size, struct join_handle *handle,
                  const struct site *at);

static inline struct future *task_future(struct task *task)
{
    return (struct future *)task->future;
}

static inline bool task_is_done(struct task *task)
{
    /* relaxed: only the executor's thread sets DONE, and only it asks */
    return atomic_load_explicit(&task->state, memory_order_relaxed) & TASK_DONE;
}

/* What became of a task that the executor took out of the queue. */
enum task_outcome { TASK_IS_IDLE, TASK_IS_WOKEN, TASK_IS_OVER };

/* For the executor and the join handle. */
struct task *task_new(struct executor *ex, struct future *f, size_t size, const struct site *at);
enum task_outcome task_run(struct task *task); /* polls it, or ends it if it was aborted */
void task_drop_output(struct task *task);      /* of a task that is done, when nobody will take it */
void task_ref(struct task *task);
void task_unref(struct task *task); /* gives up one owner's share of the block */

#endif
