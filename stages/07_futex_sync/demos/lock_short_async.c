/* A lock around an await, row four: an async mutex, held for a few instructions, and not across the await.
 *
 * Nothing can go wrong here: nobody holds the lock while he waits, and who finds it taken waits as a task. But an async
 * mutex costs more than one that blocks threads: it keeps a list of who waits, and to wait is a trip through the
 * scheduler. For a section without an await the other one does (lock_short_std.c). This one is for when the section may
 * contain an await one day. */
#include "around_await.h"
#include "async_mutex.h"

static struct async_mutex lock;
static int guarded;

struct member {
    struct future base;
    struct async_mutex_lock lock;
    struct sleep sleep;
    enum { MEMBER_LOCKING, MEMBER_SLEEPING } state;
};

static enum poll member_poll(struct future *f, struct context *cx)
{
    struct member *self = (struct member *)f;

    if (self->state == MEMBER_LOCKING) {
        if (future_poll(&self->lock.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->lock.base);
        guarded++;
        async_mutex_unlock(&lock);
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

    if (f->phase == FUTURE_FINISHED)
        return;
    if (self->state == MEMBER_LOCKING)
        future_drop(&self->lock.base);
    else
        future_drop(&self->sleep.base);
}

FUTURE_TYPE(member, member_poll, member_drop);

static void spawn_members(unsigned tasks)
{
    for (unsigned i = 0; i < tasks; i++) {
        struct member member = {.state = MEMBER_LOCKING, .lock = async_mutex_lock(&lock)};
        future_init(&member.base, &member_type);
        must(task_spawn(runtime_current(), &member, NULL), "task_spawn");
    }
}

int main(int argc, char **argv)
{
    async_mutex_init(&lock);
    scene_begin(argc, argv,
                "An async mutex, held only briefly: nobody waits long, and no thread at all.\n" SCENE_NUMBER,
                spawn_members);

    bool done = scene_watch();
    runtime_destroy(&scene.rt);
    async_mutex_destroy(&lock);
    printf("The lock was taken %d times. All slept side by side, as nobody held it meanwhile.\n", guarded);
    return !done;
}
