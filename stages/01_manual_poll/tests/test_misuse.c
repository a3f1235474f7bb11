/* Misuse ends the program with one line, which names the mistake and the line of the caller. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "combine.h"

static struct waker nobody;
static struct context cx = {&nobody};

static struct probe finished_probe(void)
{
    struct probe p = probe('a', 0);
    poll_by_hand(&p);
    return p;
}

static void poll_after_ready(void)
{
    struct probe p = finished_probe();
    misuse_says("future %u (probe) is polled after it returned POLL_READY", p.base.id);
    HERE, future_poll(&p.base, &cx);
}

static void poll_after_drop(void)
{
    struct probe p = probe('a', 0);
    future_drop(&p.base);
    misuse_says("future %u (probe) is polled after it was dropped", p.base.id);
    HERE, future_poll(&p.base, &cx);
}

static void poll_a_finished_parent(void)
{
    struct probe a = probe('a', 0), b = probe('b', 0);
    struct join both = join(&a.base, &b.base);
    poll_by_hand(&both);
    misuse_says("future %u (join) is polled after it returned POLL_READY", both.base.id);
    HERE, future_poll(&both.base, &cx);
}

static void drop_twice(void)
{
    struct probe p = finished_probe();
    future_drop(&p.base);
    misuse_says("future %u (probe) is dropped after it was dropped", p.base.id);
    HERE, future_drop(&p.base);
}

static void drop_twice_without_a_poll(void)
{
    struct probe p = probe('a', 1);
    future_drop(&p.base);
    misuse_says("future %u (probe) is dropped after it was dropped", p.base.id);
    HERE, future_drop(&p.base);
}

/* A parent that polls its child once too often: the line is the parent's, not that of whoever polls the parent. */
struct forgetful {
    struct future base;
    struct probe child;
};

static enum poll forgetful_poll(struct future *f, struct context *context)
{
    struct forgetful *self = (struct forgetful *)f;
    misuse_says("future %u (probe) is polled after it returned POLL_READY", self->child.base.id);
    HERE, future_poll(&self->child.base, context);
    return POLL_PENDING;
}

FUTURE_TYPE(forgetful, forgetful_poll, NULL);

/* In its poll it does to itself what only its owner may do. */
struct intruder {
    struct future base;
    enum { DROPS_ITSELF, POLLS_ITSELF, IS_DONE } act;
};

static enum poll intruder_poll(struct future *f, struct context *context)
{
    struct intruder *self = (struct intruder *)f;

    switch (self->act) {
    case DROPS_ITSELF:
        future_drop(f);
        return POLL_PENDING;
    case POLLS_ITSELF:
        self->act = IS_DONE;
        return future_poll(f, context);
    default:
        return POLL_READY;
    }
}

FUTURE_TYPE(intruder, intruder_poll, NULL);

static void drop_in_its_own_poll(void)
{
    struct intruder i = {.act = DROPS_ITSELF};
    future_init(&i.base, &intruder_type);
    misuse_says("future %u (intruder) comes out of its poll after it was dropped", i.base.id);
    HERE, future_poll(&i.base, &cx);
}

static void poll_in_its_own_poll(void)
{
    struct intruder i = {.act = POLLS_ITSELF};
    future_init(&i.base, &intruder_type);
    misuse_says("future %u (intruder) comes out of its poll after it returned POLL_READY", i.base.id);
    HERE, future_poll(&i.base, &cx);
}

static void child_polled_after_ready(void)
{
    struct forgetful f = {.child = probe('a', 0)};
    future_init(&f.base, &forgetful_type);
    poll_by_hand(&f);
    poll_by_hand(&f);
}

static void test_poll_after_ready(void **state)
{
    (void)state;
    assert_misuse(poll_after_ready);
    assert_misuse(poll_a_finished_parent);
    assert_misuse(child_polled_after_ready);
}

static void test_poll_after_drop(void **state)
{
    (void)state;
    assert_misuse(poll_after_drop);
}

static void test_drop_twice(void **state)
{
    (void)state;
    assert_misuse(drop_twice);
    assert_misuse(drop_twice_without_a_poll);
}

static void test_a_future_that_uses_itself(void **state)
{
    (void)state;
    assert_misuse(drop_in_its_own_poll);
    assert_misuse(poll_in_its_own_poll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_poll_after_ready),
        TEST(test_poll_after_drop),
        TEST(test_drop_twice),
        TEST(test_a_future_that_uses_itself),
    };
    nobody = waker_noop();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
