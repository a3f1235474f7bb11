/* One thread reads from a descriptor and notes after each read that nothing is left, as after a read that leaves room;
 * another one turns the reactor; a third sends two bytes. Both must be read: an event that is handled between the read
 * and the note is not wiped out by it. */
#include "explore.h"

#include "executor.h"
#include "reactor.h"
#include "runtime.h"
#include "sleeper.h"
#include "sys.h"

#include <errno.h>

enum { BYTES = 2 };

struct reading {
    struct future base;
    struct source source;
    unsigned came;
};

static struct runtime rt = {.watch.word = WATCH_IN_USE}; /* that it belongs to: nobody is parked there */
static struct executor ex = {.runtime = &rt};            /* whose reactor it is; no task runs there */
static int nudge;
static atomic_uint sent; /* and not read yet */
static atomic_bool over;

/* All there is, without an end. */
static unsigned take(struct source *source)
{
    char byte;

    if (sys_recv(source_fd(source), &byte, 1, SITE("")) == -EAGAIN) {
        source_would_block(source, SOURCE_READ);
        return 0;
    }
    unsigned count = atomic_exchange_explicit(&sent, 0, memory_order_relaxed);
    source_ran_dry(source, SOURCE_READ);
    return count;
}

static enum poll reading_poll(struct future *f, struct context *cx)
{
    struct reading *self = (struct reading *)f;
    int error;

    while (self->came < BYTES) {
        if (source_poll_ready(&self->source, SOURCE_READ, f, cx, &error, SITE("")) == POLL_PENDING)
            return POLL_PENDING;
        EXPECT(error == 0);
        self->came += take(&self->source);
    }
    return POLL_READY;
}

FUTURE_TYPE(reading, reading_poll, NULL);

static void *send_bytes(void *fd)
{
    for (int i = 0; i < BYTES; i++) {
        atomic_fetch_add_explicit(&sent, 1, memory_order_relaxed);
        explorer_source_ready(*(int *)fd);
    }
    return NULL;
}

static void *turn(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&over, memory_order_relaxed))
        reactor_turn(&ex.reactor, -1);
    return NULL;
}

static void read_all(struct reading *f)
{
    struct sleeper sleeper = {.gives_way = false};

    executor_here = &ex;
    future_init(&f->base, &reading_type);
    sleeper_run(&sleeper, &f->base);
    executor_here = NULL;
    atomic_store_explicit(&over, true, memory_order_relaxed);
    sys_eventfd_add(nudge, SITE(""));
}

void model_run(void)
{
    pthread_t sender, turner;
    struct reading f = {.came = 0};
    int fd = explorer_source();

    EXPECT(reactor_init(&ex.reactor, NULL) == 0);
    nudge = sys_eventfd(SITE(""));
    sys_epoll_ctl(ex.reactor.epoll_fd, EPOLL_CTL_ADD, nudge, EPOLLIN | EPOLLET, REACTOR_NUDGE, SITE(""));
    source_init(&f.source, fd);
    pthread_create(&sender, NULL, send_bytes, &fd);
    pthread_create(&turner, NULL, turn, NULL);
    read_all(&f);
    pthread_join(sender, NULL);
    pthread_join(turner, NULL);
    future_drop(&f.base);
    source_close(&f.source, SITE(""));
    reactor_destroy(&ex.reactor);
    sys_close(nudge, SITE(""));
}
