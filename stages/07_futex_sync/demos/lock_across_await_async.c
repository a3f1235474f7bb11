/* A lock around an await, row three: an async mutex, held across an await. It works, and has its price.
 *
 * Who does not get it waits as a task, and the workers go on: the bystander ticks. But the sleeps, which have nothing to
 * do with each other, now come one after the other. And tasks that wait can wait for each other: in the second part two
 * of them take two locks, in opposite order, and each then holds what the other wants. No thread is stuck, so it is less
 * easy to see; but a task that waits can be aborted, and then its drop gives back what it holds. */
#include "around_await.h"
#include "async_mutex.h"
#include "join_handle.h"

static struct async_mutex locks[2];
static int guarded;

/* --- part one --- */

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
        self->sleep = sleep_for(MILLISECONDS(PAUSE_MS));
        self->state = MEMBER_SLEEPING;
    }
    if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
        return POLL_PENDING; /* with the lock */
    future_drop(&self->sleep.base);
    async_mutex_unlock(&locks[0]);
    scene_done();
    return POLL_READY;
}

static void member_drop(struct future *f)
{
    struct member *self = (struct member *)f;

    if (f->phase == FUTURE_FINISHED)
        return;
    if (self->state == MEMBER_LOCKING) {
        future_drop(&self->lock.base);
        return;
    }
    future_drop(&self->sleep.base);
    async_mutex_unlock(&locks[0]);
}

FUTURE_TYPE(member, member_poll, member_drop);

/* --- part two --- */

/* Takes one lock, sleeps, takes the other. */
struct crossing {
    struct future base;
    int first; /* which one it takes first */
    struct async_mutex_lock lock;
    struct sleep sleep;
    enum { CROSSING_FIRST, CROSSING_SLEEPING, CROSSING_SECOND } state;
};

static enum poll crossing_poll(struct future *f, struct context *cx)
{
    struct crossing *self = (struct crossing *)f;

    switch (self->state) {
    case CROSSING_FIRST:
        if (future_poll(&self->lock.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->lock.base);
        self->sleep = sleep_for(MILLISECONDS(PAUSE_MS));
        self->state = CROSSING_SLEEPING; /* fall through */
    case CROSSING_SLEEPING:
        if (future_poll(&self->sleep.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->sleep.base);
        self->lock = async_mutex_lock(&locks[1 - self->first]);
        self->state = CROSSING_SECOND; /* fall through */
    case CROSSING_SECOND:
        if (future_poll(&self->lock.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->lock.base);
        async_mutex_unlock(&locks[1 - self->first]);
        async_mutex_unlock(&locks[self->first]);
        scene_done();
    }
    return POLL_READY;
}

static void crossing_drop(struct future *f)
{
    struct crossing *self = (struct crossing *)f;

    if (f->phase == FUTURE_FINISHED)
        return;
    if (self->state == CROSSING_SLEEPING)
        future_drop(&self->sleep.base);
    else
        future_drop(&self->lock.base);
    if (self->state != CROSSING_FIRST)
        async_mutex_unlock(&locks[self->first]);
}

FUTURE_TYPE(crossing, crossing_poll, crossing_drop);

static void spawn_crossing(int first, struct join_handle *handle)
{
    struct crossing crossing = {.first = first, .lock = async_mutex_lock(&locks[first])};
    future_init(&crossing.base, &crossing_type);
    must(task_spawn(&scene.rt, &crossing, handle), "task_spawn");
}

static void cross(void)
{
    struct join_handle handles[2];
    unsigned before = scene_count(&scene.done), ticks = scene_count(&scene.ticks);

    for (int i = 0; i < 2; i++)
        spawn_crossing(i, &handles[i]);
    if (!scene_wait(&scene.done, before + 2, 10 * PAUSE_MS))
        printf(
            "Two tasks that took two locks in opposite order have waited for each other %d ms long, and would for ever."
            "\nMeanwhile the bystander has ticked %u times.\n",
            10 * PAUSE_MS, scene_count(&scene.ticks) - ticks);
    join_handle_abort(&handles[0]);
    bool done = scene_wait(&scene.done, before + 1, PATIENCE_MS);
    printf("One of them is aborted, and the other %s.\n", done ? "gets through" : "still waits");
    for (int i = 0; i < 2; i++)
        future_drop(&handles[i].base);
}

static void spawn_members(unsigned tasks)
{
    for (unsigned i = 0; i < tasks; i++) {
        struct member member = {.state = MEMBER_LOCKING, .lock = async_mutex_lock(&locks[0])};
        future_init(&member.base, &member_type);
        must(task_spawn(runtime_current(), &member, NULL), "task_spawn");
    }
}

int main(int argc, char **argv)
{
    for (int i = 0; i < 2; i++)
        async_mutex_init(&locks[i]);
    scene_begin(argc, argv, "An async mutex, held across an await: tasks wait, threads do not.\n" SCENE_NUMBER,
                spawn_members);

    bool done = scene_watch();
    printf("They slept one after the other, each with the lock.\n");
    cross();
    runtime_destroy(&scene.rt);
    for (int i = 0; i < 2; i++)
        async_mutex_destroy(&locks[i]);
    return !done;
}
