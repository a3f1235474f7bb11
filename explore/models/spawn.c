/* Two workers, and tasks that come from outside: each is run once and joined, whoever sleeps or looks meanwhile; and
 * the workers end. */
#include "explore.h"

#include "runtime.h"

struct answer {
    struct future base;
    int output;
};

static enum poll answer_poll(struct future *f, struct context *cx)
{
    (void)cx;
    ((struct answer *)f)->output = 42;
    return POLL_READY;
}

FUTURE_TYPE(answer, answer_poll, NULL);

static void ask(struct runtime *rt)
{
    struct answer f = {.output = 0};

    future_init(&f.base, &answer_type);
    EXPECT(runtime_block_on(rt, &f) == 0);
    EXPECT(f.output == 42);
    future_drop(&f.base);
}

void model_run(void)
{
    struct runtime rt;

    EXPECT(runtime_init(&rt, 2) == 0);
    ask(&rt);
    ask(&rt);
    runtime_destroy(&rt);
}
