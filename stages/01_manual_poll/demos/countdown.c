/* The whole life of a future, driven by hand: made, polled (PENDING, PENDING, READY), its output read, dropped.
 *
 * This is the file to read first. The struct is what a compiler would make of an async function that counts from `from`
 * down to zero and pauses after each number. */
#include "demo.h"
#include "future.h"
#include "trace.h"

struct countdown {
    struct future base;
    int from;          /* input */
    int left;          /* a local that lives from one poll to the next */
    const char *shout; /* output: there once a poll said READY */
    enum { COUNTDOWN_START, COUNTDOWN_COUNTING } state;
};

static enum poll countdown_poll(struct future *f, struct context *cx)
{
    struct countdown *self = (struct countdown *)f;

    (void)cx; /* whom to wake; stage 03 makes use of it */
    switch (self->state) {
    case COUNTDOWN_START:
        self->left = self->from;
        self->state = COUNTDOWN_COUNTING;
        __attribute__((fallthrough)); /* a poll goes as far as it can */
    case COUNTDOWN_COUNTING:
        if (self->left > 0) {
            printf("    %d ...\n", self->left);
            trace_note("counts", self->left);
            self->left--;
            return POLL_PENDING; /* the stack is gone now; what we know is in *self */
        }
        self->shout = "Lift-off!";
        return POLL_READY;
    }
    __builtin_unreachable();
}

FUTURE_TYPE(countdown, countdown_poll, NULL); /* NULL: it holds nothing that must be given back */

static struct countdown countdown(int from)
{
    struct countdown self = {.from = from, .state = COUNTDOWN_START};
    future_init(&self.base, &countdown_type);
    return self;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows the life of a future: made, polled until it is ready, dropped.", 0);
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    struct countdown c = countdown(2);
    printf("A future was made. It has printed nothing: nobody has polled it yet.\n");
    trace_note("nothing happens until somebody polls", 0);

    int polls = 1;
    for (; future_poll(&c.base, &cx) == POLL_PENDING; polls++)
        printf("Poll %d said PENDING. The thread is back here, and could do something else now.\n", polls);
    printf("Poll %d said READY. The output can be read: %s\n", polls, c.shout);

    future_drop(&c.base);
    printf("The future was dropped. That was its life.\n");
    return 0;
}
