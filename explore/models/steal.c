/* Two workers. A task spawns two more, and the one that its worker runs next blocks the thread until the other has run:
 * so a worker that sleeps must be woken for that one, and steal it. Then the runtime ends.
 */
#include "models/blocking.h"

static struct event done = EVENT;

static enum poll root_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    spawn(runtime_current(), &work_type, &done);
    spawn(runtime_current(), &block_type, &done);
    return POLL_READY;
}

FUTURE_TYPE(root, root_poll, NULL);

void model_run(void)
{
    struct runtime rt;

    EXPECT(runtime_init(&rt, 2) == 0);
    spawn(&rt, &root_type, NULL);
    event_wait(&done);
    explorer_calm(true);
    runtime_destroy(&rt);
}
