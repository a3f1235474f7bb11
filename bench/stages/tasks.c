#include "tasks.h"

static enum poll yielder_poll(struct future *f, struct context *cx)
{
    return turns_take(&((struct yielder *)f)->turns, cx);
}

FUTURE_TYPE(yielder, yielder_poll, NULL);

struct yielder yielder(uint64_t times, uint64_t output)
{
    struct yielder self = {.output = output, .turns.left = times};
    future_init(&self.base, &yielder_type);
    return self;
}
