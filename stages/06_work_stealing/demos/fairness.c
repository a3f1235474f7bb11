/* How long does a task have to wait for its turn, beside others that never leave the worker a moment's peace?
 *
 * There is one worker, so that nobody helps. On it runs a task that gives way and wants its next turn, and each time it
 * notes how many polls of others there were in between. Its company are, one after the other: two tasks that wake each
 * other, which the worker likes to run one after the other; a task that has something to read whenever it looks; many
 * tasks that give way, too. At last, beside the same, how long a task waits that is spawned from outside. */
#include "demo.h"
#include "must.h"
#include "net.h"
#include "runtime.h"
#include "task.h"
#include "trace.h"
#include "wait.h"
#include "yield.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 100, CROWD = 200 };

/* The polls that worker 1 has made. */
static uint64_t polls_made(struct runtime *rt)
{
    return runtime_count(rt, 1).polls;
}

/* --- the third task: wants one turn after the other --- */

struct third {
    struct future base;
    int turns_left;
    uint64_t polls_before; /* at its latest turn */
    uint64_t longest;      /* output: polls of others from one turn to the next */
    struct yield yield;
};

static void third_turn(struct third *self)
{
    uint64_t polls = polls_made(runtime_current());

    if (self->turns_left < TURNS && polls - self->polls_before - 1 > self->longest)
        self->longest = polls - self->polls_before - 1;
    self->polls_before = polls;
    self->turns_left--;
}

static enum poll third_poll(struct future *f, struct context *cx)
{
    struct third *self = (struct third *)f;

    if (f->phase == FUTURE_STARTED) {
        (void)future_poll(&self->yield.base, cx); /* ready: this is its second poll */
        future_drop(&self->yield.base);
    }
    third_turn(self);
    if (self->turns_left == 0)
        return POLL_READY;
    self->yield = yield_now();
    return future_poll(&self->yield.base, cx);
}

static void third_drop(struct future *f)
{
    struct third *self = (struct third *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->yield.base);
}

FUTURE_TYPE(third, third_poll, third_drop);

static struct third third(void)
{
    struct third self = {.turns_left = TURNS};
    future_init(&self.base, &third_type);
    return self;
}

/* --- two tasks that wake each other, for ever --- */

struct player {
    struct future base;
    struct waker *places; /* where the two leave their wakers */
    unsigned number;      /* 0 or 1 */
};

static enum poll player_poll(struct future *f, struct context *cx)
{
    struct player *self = (struct player *)f;

    wait_start(&self->places[self->number], cx, TRACE_SOURCE_OTHER, self->number, SITE("my turn"));
    wait_wake(&self->places[!self->number], TRACE_SOURCE_OTHER, !self->number, SITE("your turn"));
    return POLL_PENDING;
}

static void player_drop(struct future *f)
{
    struct player *self = (struct player *)f;
    wait_cancel(&self->places[self->number], TRACE_SOURCE_OTHER, self->number, SITE("my turn"));
}

FUTURE_TYPE(player, player_poll, player_drop);

static void spawn_player(struct runtime *rt, struct waker *places, unsigned number)
{
    struct player new = {.places = places, .number = number};
    future_init(&new.base, &player_type);
    must(task_spawn(rt, &new, NULL), "task_spawn");
}

/* --- a task that can always read: each byte goes back to where it came from --- */

struct reader {
    struct future base;
    struct socket *from, *to;
    unsigned *most; /* bytes that it has read in one poll */
    char byte;
    enum { READER_READING, READER_WRITING } state;
    union {
        struct future future;
        struct socket_read read;
        struct socket_write write;
    } step;
};

static void reader_begin(struct reader *self)
{
    if (self->state == READER_READING)
        self->step.read = socket_read(self->from, &self->byte, 1);
    else
        self->step.write = socket_write(self->to, &self->byte, 1);
}

static enum poll reader_poll(struct future *f, struct context *cx)
{
    struct reader *self = (struct reader *)f;
    unsigned bytes = 0;

    if (f->phase == FUTURE_FRESH)
        reader_begin(self);
    for (;;) {
        *self->most = bytes > *self->most ? bytes : *self->most;
        if (future_poll(&self->step.future, cx) == POLL_PENDING)
            return POLL_PENDING;
        bytes += self->state == READER_READING;
        future_drop(&self->step.future);
        self->state = self->state == READER_READING ? READER_WRITING : READER_READING;
        reader_begin(self);
    }
}

static void reader_drop(struct future *f)
{
    struct reader *self = (struct reader *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->step.future);
}

FUTURE_TYPE(reader, reader_poll, reader_drop);

static void spawn_reader(struct runtime *rt, struct socket *from, struct socket *to, unsigned *most)
{
    struct reader new = {.from = from, .to = to, .most = most, .state = READER_READING};
    future_init(&new.base, &reader_type);
    must(task_spawn(rt, &new, NULL), "task_spawn");
}

/* --- one of a crowd: always gives way --- */

struct polite {
    struct future base;
};

static enum poll polite_poll(struct future *f, struct context *cx)
{
    (void)f;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

FUTURE_TYPE(polite, polite_poll, NULL);

static void spawn_crowd(struct runtime *rt)
{
    for (int i = 0; i < CROWD; i++) {
        struct polite new;
        future_init(&new.base, &polite_type);
        must(task_spawn(rt, &new, NULL), "task_spawn");
    }
}

/* --- a task from outside: notes when it comes to its turn --- */

struct guest {
    struct future base;
    uint64_t polls; /* input: as it was spawned; output: since then */
};

static enum poll guest_poll(struct future *f, struct context *cx)
{
    struct guest *self = (struct guest *)f;

    (void)cx;
    self->polls = polls_made(runtime_current()) - self->polls;
    return POLL_READY;
}

FUTURE_TYPE(guest, guest_poll, NULL);

static int compare_polls(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* The middle one of many: now and then it is this thread that has to wait for a processor. */
static uint64_t usual_wait_of_guest(struct runtime *rt)
{
    uint64_t polls[TURNS];

    for (int i = 0; i < TURNS; i++) {
        struct guest new = {.polls = polls_made(rt)};
        future_init(&new.base, &guest_type);
        must(runtime_block_on(rt, &new), "runtime_block_on");
        polls[i] = new.polls;
        future_drop(&new.base);
    }
    qsort(polls, TURNS, sizeof *polls, compare_polls);
    return polls[TURNS / 2];
}

/* --- the scenes --- */

static void run_third(struct runtime *rt, const char *company)
{
    struct third task = third();

    must(runtime_block_on(rt, &task), "runtime_block_on");
    printf("  %-40s at most %3lu polls of others\n", company, (unsigned long)task.longest);
    future_drop(&task.base);
}

static void beside_players(void)
{
    struct waker places[2] = {{0}};
    struct runtime rt;

    must(runtime_init(&rt, 1), "runtime_init");
    spawn_player(&rt, places, 0);
    spawn_player(&rt, places, 1);
    run_third(&rt, "beside two that wake each other:");
    runtime_destroy(&rt);
}

static void beside_reader(void)
{
    int ends[2];
    unsigned most = 0;
    struct runtime rt;

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) ? -errno : 0, "socketpair");
    must(write(ends[1], "x", 1) == 1 ? 0 : -errno, "write");
    struct socket from = socket_from_fd(ends[0]), to = socket_from_fd(ends[1]);
    must(runtime_init(&rt, 1), "runtime_init");
    spawn_reader(&rt, &from, &to, &most);
    run_third(&rt, "beside one that can always read:");
    runtime_destroy(&rt);
    printf("  %-40s at most %3u bytes in a poll\n", "  which read, as its budget allows:", most);
    socket_close(&from);
    socket_close(&to);
}

static void beside_crowd(void)
{
    struct runtime rt;

    must(runtime_init(&rt, 1), "runtime_init");
    spawn_crowd(&rt);
    run_third(&rt, "beside 200 that give way:");
    printf("  %-40s usually %3lu polls of others\n",
           "  and a task that comes from outside:", (unsigned long)usual_wait_of_guest(&rt));
    runtime_destroy(&rt);
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "How long a task waits for its turn beside others that never stop.", 0);
    printf("A task gives way 100 times. From one of its turns to the next there were:\n");
    beside_players();
    beside_reader();
    beside_crowd();
    printf("Who is already in the queue waits for those before it. Who comes from outside is looked for every 61 "
           "polls.\n");
    return 0;
}
