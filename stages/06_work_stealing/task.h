/* A task: a future that was handed to a runtime, one of whose workers polls it whenever somebody has woken it.
 *
 * The task's header and its future are one block of memory: spawning moves the future in behind the header. The block
 * is owned by the runtime (until the task is over), by the join handle and by every waker; the last one frees it. */
#ifndef TASK_H
#define TASK_H

#include "future.h"
#include "join.h"
#include "slab.h"
#include "wake.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct executor;
struct runtime;

struct task {
    /* any thread */
    atomic_uint state; /* enum task_state */

    /* set once */
    uint32_t id; /* its number in recordings, from 1 */

    /* whoever set RUNNING, until it is in a queue; then the queue's; after the task's end the slab's */
    struct task *next;

    /* one of the two sides that meet in `state`: see wake.h which */
    struct waker joiner; /* where whoever waits for this task leaves a waker */

    uint64_t future[];
};

struct join_handle;

/* Moves *f, a concrete future that was never polled, into a new task of rt and queues it. *f must not be used again.
 * Any thread. handle: filled in, to be dropped by the caller; NULL lets the task run on its own ("detached").
 * Returns 0; -ENOMEM; -ESHUTDOWN once runtime_destroy has begun. If it fails, nothing happened and f is still the
 * caller's. Aborts with the caller's line if f was used before, or if rt is NULL. */
#define task_spawn(rt, f, handle) task_spawn_at(rt, &(f)->base, TASK_FUTURE_SIZE(f), handle, SITE(#f))
int task_spawn_at(struct runtime *rt, struct future *f, size_t size, struct join_handle *handle, const struct site *at);

/* The size of *f, as a multiple of its alignment: so the slab, which aligns by size, aligns it well. */
#define TASK_FUTURE_SIZE(f)                                                                                            \
    (sizeof *(f) + 0 * sizeof(struct {                                                                                 \
                       _Static_assert(_Alignof(__typeof__(*(f))) <= 16, "aligned too much");                           \
                       char c;                                                                                         \
                   }))

static inline struct future *task_future(struct task *task)
{
    return (struct future *)task->future;
}

/* What became of a task that the executor took out of a queue. */
enum task_outcome { TASK_IS_IDLE, TASK_IS_WOKEN, TASK_IS_OVER };

/* For the runtime. joined: the caller is the joining side (join.h) and an owner of *task; otherwise *task is not the
 * caller's to touch. Returns and aborts as task_spawn does. */
int task_start(struct runtime *rt, struct future *f, size_t size, bool joined, struct task **task,
               const struct site *at);
enum task_outcome task_run(struct task *task, struct executor *ex); /* polls it, or ends it if it was aborted */
void task_drop_output(struct task *task); /* of a task that is over, when nobody will take it */
void task_free(struct task *task);        /* of which nobody is an owner any more */

/* For the runtime's end, when only the caller ends tasks. It has an owner, so there is a task in that memory; and it is
 * not over yet. Both by one look: what is over may be given back by another thread at any moment. */
static inline bool task_is_alive(struct task *task)
{
    /* relaxed: as the caller alone ends tasks, no answer can become wrong; no partner */
    unsigned word = atomic_load_explicit(&task->state, memory_order_relaxed);
    return task_word_owners(word) > 0 && !(word & TASK_DONE);
}

#endif
