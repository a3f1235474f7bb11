/* The end of a task: how its output gets to whoever waits for it, on whichever threads the two are. The bits of the two
 * sides, the worker that ends the task and the joining one, are in the task's state word: see wake.h. */
#ifndef JOIN_H
#define JOIN_H

#include "future.h"

struct task;

/* The worker: the future of the task, which was cancelled, has been dropped. */
void join_end_cancelled(struct task *task);

/* The worker's last words about a task that is over: drops an output that nobody wants, wakes who waits, and gives up
 * the runtime's share. word: the state when OVER was set. */
void join_finish(struct task *task, unsigned word);

/* The joining side, one thread at a time. Ready: the task is over, and what its future holds belongs to the caller.
 * Pending: the waker of cx is left in the task. */
enum poll join_poll(struct task *task, struct context *cx);

/* The joining side wants the output no more, if it is there already, drops it, and gives up its share. */
void join_give_up(struct task *task);

#endif
