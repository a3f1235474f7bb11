/* The other end of a spawned task: a future that is ready when the task is, and then gives its output.
 *
 * It may be polled and dropped on any thread, one at a time, and also when the runtime is gone. */
#ifndef JOIN_HANDLE_H
#define JOIN_HANDLE_H

#include "future.h"

struct task;

struct join_handle {
    struct future base;
    struct task *task;
};

/* Makes the handle of a task that was started as joined, for task_spawn; takes over the caller's share. */
void join_handle_init(struct join_handle *handle, struct task *task, const struct site *at);

/* The finished future of the task, to be read through its concrete type until the handle is dropped; NULL if the task
 * was aborted. Whoever takes something out of it that its drop would free leaves NULL there.
 * Aborts with the caller's line while the handle is not ready (poll it first), after it was moved away or dropped. */
#define join_handle_output(handle) join_handle_output_at(handle, SITE(#handle))
void *join_handle_output_at(struct join_handle *handle, const struct site *at);

/* Tells the task to stop, see task_abort. The handle is still to be awaited, if its end matters, and dropped.
 * Aborts with the caller's line after the handle was moved away or dropped. */
#define join_handle_abort(handle) join_handle_abort_at(handle, SITE(#handle))
void join_handle_abort_at(struct join_handle *handle, const struct site *at);

/* Dropping the handle: future_drop(&handle.base). A task that still runs goes on, and its output is dropped. */

#endif
