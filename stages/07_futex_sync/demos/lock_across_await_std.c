/* A lock around an await, row one: a mutex that blocks threads, held across an await. Never do this.
 *
 * The first task takes the mutex and sleeps: it says Pending, and its worker goes on to other tasks, with the mutex
 * locked. The next task wants it, and does not get it: not the task waits now, but the worker's thread, in the kernel.
 * Soon all workers do. The sleep of the first task ends, and nobody is left to poll it: the threads that could are those
 * that wait for it. Nothing else runs either. lifeline warns at the first Pending: guard-across-await. */
#include "around_await.h"
#include "mutex.h"

static struct mutex lock;
static int guarded;

struct member {
    struct future base;
    struct sleep sleep;
    enum { MEMBER_LOCK, MEMBER_SLEEPING } state;
};

static enum poll member_poll(struct future *f, struct context *cx)
{
    struct member *self = (struct member *)f;

    if (self->state == MEMBER_LOCK) {
        mutex_lock(&lock);
        guarded++;
        self->sleep = sleep_for(MILLISECONDS(PAUSE_MS));
        self->state = MEMBER_SLEEPING;
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING; /* and the mutex is locked! */
    future_drop(&self->sleep.base);
    mutex_unlock(&lock);
    scene_done();
    return POLL_READY;
}

FUTURE_TYPE(member, member_poll, NULL);

static void spawn_members(unsigned tasks)
{
    for (unsigned i = 0; i < tasks; i++) {
        struct member member = {.state = MEMBER_LOCK};
        future_init(&member.base, &member_type);
        must(task_spawn(runtime_current(), &member, NULL), "task_spawn");
    }
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv, "A mutex that blocks threads, held across an await: nothing moves any more.\n" SCENE_NUMBER,
                spawn_members);

    if (scene_watch()) {
        printf("The tasks came one after the other, by chance: each had the lock to itself.\n");
        runtime_destroy(&scene.rt);
        return 0;
    }
    trace_note("the watchdog: nothing moves", 0);
    printf("The one that holds the lock has slept enough, but each worker's thread is blocked by another task, which\n"
           "wants the lock. A deadlock. The runtime cannot even be destroyed, so the watchdog ends the program.\n");
    _exit(0);
}
