#include "wake.h"

#include "executor.h"
#include "task.h"
#include "trace.h"

#include <assert.h>

/* --- the state word --- */

static bool is_at_rest(unsigned word)
{
    return !(word & (TASK_RUNNING | TASK_DONE));
}

/* Says that the task is to be polled, and more (bits); takes a share of the caller's away (0: none) in the same step. If
 * nobody held the task, it is the caller's now, and is put in a queue. Returns the state before. The runtime has a share
 * until the task is done, so a task at rest is there to be queued, whatever the caller gave up.
 *
 * The read-modify-write is done even when the mark is there already. acq_rel: the release half publishes what the waker
 * did before to the poll that this wake leads to (partners: task_take_marked and task_end_pending; where the caller queues
 * the task, the queue does it); the acquire half makes a caller that queues the task see what the worker wrote up to the
 * end of the last poll (partner: task_end_pending). */
static unsigned task_mark(struct task *task, unsigned bits, unsigned share, unsigned *after)
{
    unsigned before = atomic_load_explicit(&task->state, memory_order_relaxed); /* a guess, the exchange checks it */

    do
        *after = (before | bits | (is_at_rest(before) ? TASK_RUNNING : TASK_WOKEN)) - share;
    while (!atomic_compare_exchange_weak_explicit(&task->state, &before, *after, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (is_at_rest(before))
        executor_queue(task);
    return before;
}

unsigned task_take_marked(struct task *task, unsigned *before)
{
    unsigned after;

    do {
        after = *before & ~(unsigned)(TASK_WOKEN | TASK_RUNNING);
        after |= *before & TASK_ABORTED ? TASK_DONE : TASK_RUNNING;
        /* acquire: what all wakers published since the last time (partner: task_mark) */
    } while (!atomic_compare_exchange_weak_explicit(&task->state, before, after, memory_order_acquire,
                                                    memory_order_relaxed));
    return after;
}

/* release: whoever queues the task next sees what the worker and the poll wrote (partner: task_mark). acquire: what the
 * wakers published whose mark is taken away (partner: task_mark). */
unsigned task_end_pending(struct task *task, unsigned clones, unsigned *before)
{
    unsigned after;

    *before = atomic_load_explicit(&task->state, memory_order_relaxed); /* a guess, the exchange checks it */
    do {
        after = (*before & ~(unsigned)TASK_WOKEN) + clones * TASK_OWNER;
        if (!(*before & TASK_WOKEN))
            after &= ~(unsigned)TASK_RUNNING;
    } while (!atomic_compare_exchange_weak_explicit(&task->state, before, after, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return after;
}

void task_count_clones(struct task *task, unsigned clones)
{
    /* relaxed: as in task_ref */
    atomic_fetch_add_explicit(&task->state, clones * TASK_OWNER, memory_order_relaxed);
}

/* release: the finished future comes before it (partners: join_poll, join_give_up, and the acquire of the last owner in
 * task_unref). acquire: the waker that was left in the task (partner: join_announce), and all that a taker did before it
 * gave up (partner: join_give_up). */
unsigned task_end_ready(struct task *task, unsigned clones, unsigned *before, bool *gone)
{
    unsigned after;

    *before = atomic_load_explicit(&task->state, memory_order_relaxed); /* a guess, the exchange checks it */
    do {
        after = ((*before & ~(unsigned)TASK_RUNNING) | TASK_DONE | TASK_OVER) + clones * TASK_OWNER;
        *gone = (*before & (TASK_WANTED | TASK_WAITED)) == TASK_WANTED;
        if (*gone)
            after -= TASK_RUNTIME;
    } while (!atomic_compare_exchange_weak_explicit(&task->state, before, after, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return after;
}

/* --- owners --- */

static void task_ref(struct task *task)
{
    /* relaxed: whoever adds an owner is one, so the count cannot reach zero meanwhile */
    atomic_fetch_add_explicit(&task->state, TASK_OWNER, memory_order_relaxed);
}

static void task_give_up(struct task *task, unsigned share)
{
    /* acquire: who finds itself the only owner has no one to race with; all that the others did came before (partner:
     * the release below, and every other step that gives up a share) */
    unsigned owners = task_word_owners(atomic_load_explicit(&task->state, memory_order_acquire));

    /* acq_rel: all that an owner did with the block comes before the last owner's free; its partner is itself */
    if (owners > task_word_owners(share))
        owners = task_word_owners(atomic_fetch_sub_explicit(&task->state, share, memory_order_acq_rel));
    assert(owners >= task_word_owners(share));
    if (owners == task_word_owners(share))
        task_free(task);
}

void task_unref(struct task *task)
{
    task_give_up(task, TASK_OWNER);
}

void task_unref_runtime(struct task *task)
{
    task_give_up(task, TASK_RUNTIME);
}

/* --- wakers --- */

/* A task that wakes itself in its own poll needs no change of the word: its worker asks after the poll. */
static bool is_my_own(const struct task *task, const struct site *at, bool consumed)
{
    if (!executor_note_own_wake(task))
        return false;
    TRACE_AT(WAKE_BEGIN, task->id, 0, consumed, at);
    TRACE_AT(WAKE_END, task->id, TRACE_STATES(TASK_RUNNING, TASK_RUNNING), consumed, at);
    return true;
}

static void task_wake_by_ref(void *data, const struct site *at)
{
    struct task *task = data;
    unsigned after;

    if (is_my_own(task, at, false))
        return;
    TRACE_AT(WAKE_BEGIN, task->id, 0, 0, at);
    unsigned before = task_mark(task, 0, 0, &after);
    TRACE_AT(WAKE_END, task->id, TASK_STATES(before, after), 0, at);
}

static void task_wake(void *data, const struct site *at)
{
    struct task *task = data;
    uint32_t id = task->id;
    unsigned after;

    if (is_my_own(task, at, true)) {
        task_unref(task);
        return;
    }
    TRACE_AT(WAKE_BEGIN, id, 0, 1, at);
    unsigned before = task_mark(task, 0, TASK_OWNER, &after);
    TRACE_AT(WAKE_END, id, TASK_STATES(before, after), 1, at);
    if (task_word_owners(after) == 0)
        task_free(task);
}

static void task_waker_drop(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_DROP, task->id, 0, 0, at);
    task_unref(task);
}

static struct waker task_waker_clone(void *data, const struct site *at);

const struct waker_vtable task_waker = {task_waker_clone, task_wake, task_wake_by_ref, task_waker_drop};

static struct waker task_waker_clone(void *data, const struct site *at)
{
    struct task *task = data;

    TRACE_AT(WAKER_CLONE, task->id, 0, 0, at);
    if (!executor_note_own_clone(task))
        task_ref(task);
    return (struct waker){&task_waker, task};
}

void task_abort(struct task *task, const struct site *at)
{
    unsigned after;
    unsigned before = task_mark(task, TASK_ABORTED, 0, &after);
    TRACE_AT(TASK_ABORT, task->id, TASK_STATES(before, after), 0, at);
}
