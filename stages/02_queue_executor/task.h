/* A task: a future that was handed to an executor, which polls it until it is ready.
 *
 * The task's header and its future are one block of memory: spawning moves the future in behind the header. The block
 * has two owners at most, the executor (until the task is done) and the join handle; the last one frees it. */
#ifndef TASK_H
#define TASK_H

#include "future.h"

#include <stdbool.h>
#include <stddef.h>

struct executor;

/* The bits that a recording shows, see trace_state in events.h. */
enum task_state {
    TASK_QUEUED = 1,
    TASK_RUNNING = 2,
    TASK_DONE = 4,
};

struct task {
    struct task *next; /* in the run queue */
    struct executor *executor;
    enum task_state state;
    uint32_t id;        /* its number in recordings, from 1 */
    uint32_t polls;     /* how often it was polled */
    uint32_t refs;      /* how many owners the block has */
    bool output_wanted; /* a join handle will take the output, or drop it */
    size_t future_size;
    _Alignas(max_align_t) unsigned char future[];
};

struct join_handle;

/* Moves *f, a concrete future that was never polled, into a new task of ex and queues it. *f must not be used again.
 * handle: filled in, to be dropped by the caller; NULL lets the task run on its own ("detached").
 * Returns 0, or -ENOMEM: then nothing happened and f is still the caller's. Aborts with the caller's line if f was used
 * before, or ex is NULL. Call it on the executor's own thread. */
#define task_spawn(ex, f, handle) task_spawn_at(ex, &(f)->base, sizeof *(f), handle, SITE(#f))
int task_spawn_at(struct executor *ex, struct future *f, size_t size, struct join_handle *handle,
                  const struct site *at);

static inline struct future *task_future(struct task *task)
{
    return (struct future *)task->future;
}

/* For the executor and the join handle. */
struct task *task_new(struct executor *ex, struct future *f, size_t size, const struct site *at);
enum poll task_poll(struct task *task);
void task_cancel(struct task *task);      /* ends a queued task without a further poll, and drops its future */
void task_drop_output(struct task *task); /* of a task that is done, when nobody will take it */
void task_unref(struct task *task);       /* gives up one owner's share of the block */

#endif
