/* Futures are made of futures: one after the other (`then`), side by side (`join`), and a state machine written by hand,
 * just as a compiler would write it for this async function:
 *
 *     async fn breakfast(cups: int) -> int {
 *         let water = chore("boil water", 2, cups).await;
 *         let (tea, toast) = join(chore("steep tea", 1, water), chore("toast bread", 3, 2)).await;
 *         tea + toast
 *     }
 *
 * Each `.await` becomes a state. What is needed on its far side becomes a member of the struct. The children are members
 * too: so the whole breakfast, however deep, is one block of memory of a size that is known beforehand. */
#include "combine.h"
#include "demo.h"

/* The leaf: something that takes so many polls. */
struct chore {
    struct future base;
    const char *name;
    int pauses; /* input: so often it says PENDING first */
    int amount; /* input, and handed out again as the output */
};

static enum poll chore_poll(struct future *f, struct context *cx)
{
    struct chore *self = (struct chore *)f;

    (void)cx;
    if (self->pauses > 0) {
        self->pauses--;
        printf("    %s: not yet\n", self->name);
        return POLL_PENDING;
    }
    printf("    %s: done, makes %d\n", self->name, self->amount);
    return POLL_READY;
}

FUTURE_TYPE(chore, chore_poll, NULL);

static struct chore chore(const char *name, int pauses, int amount)
{
    struct chore self = {.name = name, .pauses = pauses, .amount = amount};
    future_init(&self.base, &chore_type);
    return self;
}

struct breakfast {
    struct future base;
    int cups;                       /* input */
    struct chore water, tea, toast; /* the children */
    struct join both;               /* of tea and toast */
    int servings;                   /* output */
    enum { BREAKFAST_START, BREAKFAST_AWAIT_WATER, BREAKFAST_AWAIT_BOTH } state;
};

static enum poll breakfast_poll(struct future *f, struct context *cx)
{
    struct breakfast *self = (struct breakfast *)f;

    switch (self->state) {
    case BREAKFAST_START:
        self->water = chore("boil water", 2, self->cups);
        self->state = BREAKFAST_AWAIT_WATER;
        __attribute__((fallthrough));
    case BREAKFAST_AWAIT_WATER:
        if (future_poll(&self->water.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        self->tea = chore("steep tea", 1, self->water.amount);
        future_drop(&self->water.base);
        self->toast = chore("toast bread", 3, 2);
        self->both = join(&self->tea.base, &self->toast.base); /* may point into *self: after the first poll it stays */
        self->state = BREAKFAST_AWAIT_BOTH;
        __attribute__((fallthrough));
    case BREAKFAST_AWAIT_BOTH:
        if (future_poll(&self->both.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        self->servings = self->tea.amount + self->toast.amount;
        future_drop(&self->both.base); /* READY lets go of all but the output */
        return POLL_READY;
    }
    __builtin_unreachable();
}

/* What is alive depends on where it stopped: that is why a drop needs the state. */
static void breakfast_drop(struct future *f)
{
    struct breakfast *self = (struct breakfast *)f;

    if (self->base.phase != FUTURE_STARTED)
        return;
    if (self->state == BREAKFAST_AWAIT_WATER)
        future_drop(&self->water.base);
    if (self->state == BREAKFAST_AWAIT_BOTH)
        future_drop(&self->both.base);
}

FUTURE_TYPE(breakfast, breakfast_poll, breakfast_drop);

static struct breakfast breakfast(int cups)
{
    struct breakfast self = {.cups = cups, .state = BREAKFAST_START};
    future_init(&self.base, &breakfast_type);
    return self;
}

/* Nobody says when a future can go on, so it is simply asked until it is ready. */
static void run(struct future *f)
{
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    for (int polls = 1;; polls++) {
        printf("  poll %d\n", polls);
        if (future_poll(f, &cx) == POLL_READY)
            return;
    }
}

static void pass_water_on(struct future *first, struct future *second)
{
    ((struct chore *)second)->amount = ((struct chore *)first)->amount;
}

int main(int argc, char **argv)
{
    demo_begin(argc, argv, "Shows futures made of futures: then, join, and a state machine written by hand.", 0);

    printf("One after the other: boil water, then steep tea with that water.\n");
    struct chore boil = chore("boil water", 1, 3), steep = chore("steep tea", 1, 0);
    struct then first_then = then(&boil.base, &steep.base, pass_water_on);
    run(&first_then.base);
    printf("Each of them waited once: three polls in all. Cups of tea: %d.\n\n", steep.amount);
    future_drop(&first_then.base);

    printf("Side by side: each poll of the join asks both.\n");
    struct chore eggs = chore("boil eggs", 2, 2), bread = chore("toast bread", 1, 4);
    struct join both = join(&eggs.base, &bread.base);
    run(&both.base);
    printf(
        "The eggs waited twice and the bread once, and three polls did for both:\nthey waited at the same time.\n\n");
    future_drop(&both.base);

    printf("An async function, written by hand: first the water, then tea and toast together.\n");
    struct breakfast b = breakfast(2);
    run(&b.base);
    printf("Breakfast is ready: %d servings, out of one block of %zu bytes.\n", b.servings, sizeof b);
    future_drop(&b.base);
    return 0;
}
