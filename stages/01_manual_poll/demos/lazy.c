/* A future is lazy: making one does nothing, only a poll moves it, and dropping it half-way frees what it holds.
 *
 * The future here writes a letter in two polls and needs a sheet of paper (memory from malloc) in between. The demo
 * counts the sheets, so you can see who holds one. */
#include "demo.h"
#include "future.h"

#include <errno.h>

static int sheets; /* taken, and not given back yet */

struct letter {
    struct future base;
    const char *to; /* input */
    char *sheet;    /* a local that lives from one poll to the next */
    int error;      /* output: 0 or -errno */
    size_t length;  /* output */
    enum { LETTER_START, LETTER_BEGUN } state;
};

static void letter_give_back(struct letter *self)
{
    free(self->sheet);
    self->sheet = NULL;
    sheets--;
}

static enum poll letter_poll(struct future *f, struct context *cx)
{
    struct letter *self = (struct letter *)f;

    (void)cx; /* somebody polls us again anyway, so nobody must be told to wake us */
    switch (self->state) {
    case LETTER_START:
        self->sheet = malloc(100);
        if (!self->sheet) {
            self->error = -ENOMEM;
            return POLL_READY;
        }
        sheets++;
        printf("    the letter takes a sheet of paper, and stops to think\n");
        self->state = LETTER_BEGUN;
        return POLL_PENDING;
    case LETTER_BEGUN:
        snprintf(self->sheet, 100, "Dear %s, it all began with a poll.", self->to);
        printf("    the letter goes on where it stopped: \"%s\"\n", self->sheet);
        self->length = strlen(self->sheet);
        letter_give_back(self);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void letter_drop(struct future *f)
{
    struct letter *self = (struct letter *)f;
    if (self->sheet) {
        letter_give_back(self);
        printf("    the drop gives the sheet of paper back\n");
    }
}

FUTURE_TYPE(letter, letter_poll, letter_drop);

static struct letter letter(const char *to)
{
    struct letter self = {.to = to, .state = LETTER_START};
    future_init(&self.base, &letter_type);
    return self;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows that a future does nothing until it is polled, and that a drop cleans up.", 0);
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    printf("1. A future is made.\n");
    struct letter first = letter("Ada");
    printf("   Nothing was written, no paper was taken: %d sheets in use.\n", sheets);
    future_drop(&first.base);
    printf("   It was dropped, never polled: nothing ever happened.\n\n");

    printf("2. Another one is made, and polled by hand.\n");
    struct letter second = letter("Dennis");
    while (future_poll(&second.base, &cx) == POLL_PENDING)
        printf("   The poll said PENDING: %d sheet in use.\n", sheets);
    if (second.error) {
        fprintf(stderr, "the letter failed: %s\n", strerror(-second.error));
        return 1;
    }
    printf("   The poll said READY: %zu characters, %d sheets in use.\n\n", second.length, sheets);
    future_drop(&second.base);

    printf("3. A third one is polled once, and then nobody wants it any more.\n");
    struct letter third = letter("Grace");
    future_poll(&third.base, &cx);
    printf("   It stopped half-way: %d sheet in use.\n", sheets);
    future_drop(&third.base);
    printf("   It was dropped there: %d sheets in use, and no thread had to be killed for it.\n", sheets);
    return sheets == 0 ? 0 : 1;
}
