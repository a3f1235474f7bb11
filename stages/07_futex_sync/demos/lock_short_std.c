/* A lock around an await, row two: a mutex that blocks threads, held for a few instructions, and not across the await.
 *
 * A worker that finds it taken blocks until another worker's thread has gone through those few instructions: mostly it
 * does not even go to the kernel. Nobody who holds it waits for anything. For data that is only read and changed this is
 * the right lock, as long as the section stays short: while a worker waits here it runs no other task. */
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
        mutex_unlock(&lock);
        self->sleep = sleep_for(MILLISECONDS(PAUSE_MS));
        self->state = MEMBER_SLEEPING;
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(&self->sleep.base);
    scene_done();
    return POLL_READY;
}

static void member_drop(struct future *f)
{
    struct member *self = (struct member *)f;
    if (f->phase != FUTURE_FINISHED && self->state == MEMBER_SLEEPING)
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(member, member_poll, member_drop);

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
    scene_begin(argc, argv, "A mutex that blocks threads, held only briefly: nobody waits long.\n" SCENE_NUMBER,
                spawn_members);

    bool done = scene_watch();
    runtime_destroy(&scene.rt);
    printf("The lock was taken %d times. All slept side by side, as nobody held it meanwhile.\n", guarded);
    return !done;
}
