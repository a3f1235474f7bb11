/* A task is woken from another thread, which hands it a value. Meanwhile the executor's thread sleeps. */
#include "demo.h"
#include "executor.h"
#include "must.h"
#include "trace.h"
#include "wait.h"

/* Where the two threads meet. */
struct mailbox {
    pthread_mutex_t lock;
    struct waker waiting; /* of the task that waits for the letter */
    bool full;
    int letter;
};

struct receive {
    struct future base;
    struct mailbox *box;
    int polls;
    int letter; /* output */
};

/* Look and leave the waker in one critical section. With the lock free in between, the letter could come after the look
 * and find no waker: then nobody would ever poll again. */
static enum poll receive_poll(struct future *f, struct context *cx)
{
    struct receive *self = (struct receive *)f;

    pthread_mutex_lock(&self->box->lock);
    bool full = self->box->full;
    if (full)
        self->letter = self->box->letter;
    else
        wait_start(&self->box->waiting, cx, TRACE_SOURCE_THREAD, 0, SITE(""));
    pthread_mutex_unlock(&self->box->lock);
    printf("poll %d: the letter %s\n", ++self->polls, full ? "is here" : "is not here yet; I leave my waker and go");
    return full ? POLL_READY : POLL_PENDING;
}

static void receive_drop(struct future *f)
{
    struct receive *self = (struct receive *)f;

    pthread_mutex_lock(&self->box->lock);
    wait_cancel(&self->box->waiting, TRACE_SOURCE_THREAD, 0, SITE(""));
    pthread_mutex_unlock(&self->box->lock);
}

FUTURE_TYPE(receive, receive_poll, receive_drop);

static struct receive receive(struct mailbox *box)
{
    struct receive self = {.box = box};
    future_init(&self.base, &receive_type);
    return self;
}

static void *sender(void *arg)
{
    struct mailbox *box = arg;

    trace_thread_name("sender");
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* slow work, say */
    printf("the other thread: here is the letter, and I wake whoever waits for it\n");
    pthread_mutex_lock(&box->lock);
    box->letter = 42;
    box->full = true;
    wait_wake(&box->waiting, TRACE_SOURCE_THREAD, 0, SITE(""));
    pthread_mutex_unlock(&box->lock);
    return NULL;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Another thread hands a task a value and wakes it.", 0);
    struct mailbox box = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct receive letter = receive(&box);
    struct executor ex;
    pthread_t thread;

    must(executor_init(&ex), "executor_init");
    must(-pthread_create(&thread, NULL, sender, &box), "pthread_create");
    double began = demo_milliseconds(CLOCK_MONOTONIC);
    double worked = demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    must(executor_block_on(&ex, &letter), "executor_block_on");
    printf("The letter says %d. It took %.0f ms and %d polls; %.1f ms of it the processor worked.\n", letter.letter,
           demo_milliseconds(CLOCK_MONOTONIC) - began, letter.polls,
           demo_milliseconds(CLOCK_PROCESS_CPUTIME_ID) - worked);

    pthread_join(thread, NULL);
    future_drop(&letter.base);
    executor_destroy(&ex);
    return 0;
}
