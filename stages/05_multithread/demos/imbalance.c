/* One task spawns a hundred others, which have something to compute. Do all workers help?
 *
 * What a task spawns goes to its own worker's queue. The demo counts where the pieces were computed, and takes the time.
 * It uses nothing but the runtime's public functions: a later stage runs this very file, and there the answer is
 * another. */
#include "all.h"
#include "demo.h"
#include "must.h"
#include "runtime.h"
#include "task.h"
#include "yield.h"

enum { PIECES = 100, PARTS = 4, WORKERS_MAX = 64 };

/* --- a piece of work: computes in four parts, and gives way after each --- */

struct piece {
    struct future base;
    int parts_left;
    unsigned long result;
    unsigned worker; /* output: where the last part was computed */
    struct yield yield;
    enum { PIECE_COMPUTING, PIECE_GIVING_WAY } state;
};

/* About 0.2 ms, and of no other use. */
static unsigned long compute(unsigned long x)
{
    for (int i = 0; i < 150000; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

static enum poll piece_poll(struct future *f, struct context *cx)
{
    struct piece *self = (struct piece *)f;

    for (;;) {
        switch (self->state) {
        case PIECE_COMPUTING:
            self->result = compute(self->result);
            self->worker = runtime_worker();
            if (--self->parts_left == 0)
                return POLL_READY;
            self->yield = yield_now();
            self->state = PIECE_GIVING_WAY;
            __attribute__((fallthrough));
        case PIECE_GIVING_WAY:
            if (future_poll(&self->yield.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->yield.base);
            self->state = PIECE_COMPUTING;
        }
    }
}

static void piece_drop(struct future *f)
{
    struct piece *self = (struct piece *)f;
    if (self->state == PIECE_GIVING_WAY)
        future_drop(&self->yield.base);
}

FUTURE_TYPE(piece, piece_poll, piece_drop);

static struct piece piece(int number)
{
    struct piece self = {.parts_left = PARTS, .result = (unsigned long)number, .state = PIECE_COMPUTING};
    future_init(&self.base, &piece_type);
    return self;
}

/* --- the root: spawns the pieces, and waits for all of them --- */

struct root {
    struct future base;
    struct join_handle *handles; /* room for PIECES */
    unsigned worker;             /* output: where it was polled first */
    struct all all;
    enum { ROOT_START, ROOT_WAITING } state;
};

static void root_spawn_pieces(struct root *self)
{
    for (int i = 0; i < PIECES; i++) {
        struct piece new = piece(i);
        must(task_spawn(runtime_current(), &new, &self->handles[i]), "task_spawn");
    }
}

static enum poll root_poll(struct future *f, struct context *cx)
{
    struct root *self = (struct root *)f;

    switch (self->state) {
    case ROOT_START:
        self->worker = runtime_worker();
        root_spawn_pieces(self);
        self->all = all_of(self->handles, PIECES);
        self->state = ROOT_WAITING;
        __attribute__((fallthrough));
    case ROOT_WAITING:
        return future_poll(&self->all.base, cx);
    }
    __builtin_unreachable();
}

static void root_drop(struct future *f)
{
    struct root *self = (struct root *)f;
    if (self->state == ROOT_WAITING)
        future_drop(&self->all.base);
}

FUTURE_TYPE(root, root_poll, root_drop);

static struct root root(struct join_handle *handles)
{
    struct root self = {.handles = handles, .state = ROOT_START};
    future_init(&self.base, &root_type);
    return self;
}

/* --- the report --- */

static void report(const struct root *root, unsigned workers, double took)
{
    unsigned pieces[WORKERS_MAX + 1] = {0};
    unsigned idle = 0;

    for (int i = 0; i < PIECES; i++)
        pieces[((struct piece *)join_handle_output(&root->handles[i]))->worker]++;
    printf("The root ran on worker %u, and spawned %d pieces of work there.\n", root->worker, PIECES);
    for (unsigned i = 1; i <= workers; i++) {
        printf("  worker %-2u ended %3u of them\n", i, pieces[i]);
        idle += pieces[i] == 0;
    }
    printf("They took %.0f ms. %u of %u workers had nothing to do.\n", took, idle, workers);
}

int main(int argc, char **argv)
{
    long workers = demo_begin(argc, argv, "One task spawns 100 others that compute, with 2 workers, or NUMBER.", 2);
    struct join_handle handles[PIECES];
    struct root work = root(handles);
    struct runtime rt;

    must(runtime_init(&rt, (unsigned)workers), "runtime_init");
    double began = demo_milliseconds(CLOCK_MONOTONIC);
    must(runtime_block_on(&rt, &work), "runtime_block_on");
    report(&work, rt.worker_count, demo_milliseconds(CLOCK_MONOTONIC) - began);
    future_drop(&work.base);
    runtime_destroy(&rt);
    return 0;
}
