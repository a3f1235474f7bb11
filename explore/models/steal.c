/* Two workers. A task spawns two more, and the one that its worker runs next blocks the thread until the other has run:
 * so a worker that sleeps must be woken for that one, and steal it. Then the runtime ends.
 */
#include "explore.h"

#include "runtime.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool done;

struct step {
    struct future base;
};

static void set_done(void)
{
    pthread_mutex_lock(&lock);
    done = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_until_done(void)
{
    pthread_mutex_lock(&lock);
    while (!done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static enum poll work_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    set_done();
    return POLL_READY;
}

static enum poll block_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    wait_until_done();
    return POLL_READY;
}

FUTURE_TYPE(work, work_poll, NULL);
FUTURE_TYPE(block, block_poll, NULL);

static void spawn(const struct future_type *type)
{
    struct step f;

    future_init(&f.base, type);
    EXPECT(task_spawn(runtime_current(), &f, NULL) == 0);
}

static enum poll root_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    spawn(&work_type);
    spawn(&block_type);
    return POLL_READY;
}

FUTURE_TYPE(root, root_poll, NULL);

void model_run(void)
{
    struct runtime rt;
    struct step f;

    EXPECT(runtime_init(&rt, 2) == 0);
    future_init(&f.base, &root_type);
    EXPECT(runtime_block_on(&rt, &f) == 0);
    wait_until_done();
    future_drop(&f.base);
    runtime_destroy(&rt);
}
