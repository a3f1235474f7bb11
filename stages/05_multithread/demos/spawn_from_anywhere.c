/* The four places to spawn from: main, a task, a thread that knows nothing of the runtime, and too late.
 *
 * From outside of the workers a task goes to the injection queue, and any worker may take it. From inside a task it goes
 * to the queue of that task's worker. Once the runtime is being destroyed, a spawn is refused, and the future is still
 * the caller's. */
#include "demo.h"
#include "join_handle.h"
#include "must.h"
#include "runtime.h"
#include "task.h"

#include <pthread.h>

/* --- a task that tells where it runs --- */

struct teller {
    struct future base;
    const char *from;
    unsigned worker; /* output */
};

static enum poll teller_poll(struct future *f, struct context *cx)
{
    struct teller *self = (struct teller *)f;

    (void)cx;
    self->worker = runtime_worker();
    printf("spawned from %-9s runs on worker %u\n", self->from, self->worker);
    return POLL_READY;
}

FUTURE_TYPE(teller, teller_poll, NULL);

static struct teller teller(const char *from)
{
    struct teller self = {.from = from};
    future_init(&self.base, &teller_type);
    return self;
}

/* --- from main, and from any other thread --- */

static void spawn_and_wait(struct runtime *rt, const char *from)
{
    struct teller task = teller(from);
    struct join_handle handle;

    must(task_spawn(rt, &task, &handle), "task_spawn");
    must(runtime_block_on(rt, &handle), "runtime_block_on");
    future_drop(&handle.base);
}

static void *thread_main(void *rt)
{
    spawn_and_wait(rt, "a thread,");
    return NULL;
}

static void spawn_from_a_thread(struct runtime *rt)
{
    pthread_t thread;
    must(-pthread_create(&thread, NULL, thread_main, rt), "pthread_create");
    pthread_join(thread, NULL);
}

/* --- from a task, which waits for the other like for any future --- */

struct parent {
    struct future base;
    struct join_handle child;
    enum { PARENT_START, PARENT_WAITING } state;
};

static enum poll parent_poll(struct future *f, struct context *cx)
{
    struct parent *self = (struct parent *)f;
    struct teller task;

    switch (self->state) {
    case PARENT_START:
        task = teller("a task,");
        must(task_spawn(runtime_current(), &task, &self->child), "task_spawn");
        self->state = PARENT_WAITING;
        __attribute__((fallthrough));
    case PARENT_WAITING:
        if (future_poll(&self->child.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        task = *(struct teller *)join_handle_output(&self->child);
        printf("%*s on %s worker as the task that spawned it\n", 22, "",
               task.worker == runtime_worker() ? "the same" : "not the same");
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void parent_drop(struct future *f)
{
    struct parent *self = (struct parent *)f;
    if (self->state == PARENT_WAITING)
        future_drop(&self->child.base);
}

FUTURE_TYPE(parent, parent_poll, parent_drop);

static void spawn_from_a_task(struct runtime *rt)
{
    struct parent task = {.state = PARENT_START};

    future_init(&task.base, &parent_type);
    must(runtime_block_on(rt, &task), "runtime_block_on");
    future_drop(&task.base);
}

/* --- too late --- */

static void spawn_too_late(struct runtime *rt)
{
    struct teller task = teller("nowhere,");
    int error = task_spawn(rt, &task, NULL);

    printf("spawned too late:       %s; the future is still ours, and we drop it\n", strerror(-error));
    future_drop(&task.base);
}

int main(int argc, char **argv)
{
    long workers = demo_begin(argc, argv, "Spawns from main, a task, a thread and too late, with 2 workers, or NUMBER.",
                              2);
    struct runtime rt;

    must(runtime_init(&rt, (unsigned)workers), "runtime_init");
    spawn_and_wait(&rt, "main,");
    spawn_from_a_task(&rt);
    spawn_from_a_thread(&rt);
    runtime_destroy(&rt);
    spawn_too_late(&rt);
    return 0;
}
