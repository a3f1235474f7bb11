#include "combine.h"

static enum poll then_poll(struct future *f, struct context *cx)
{
    struct then *self = (struct then *)f;

    switch (self->state) {
    case THEN_FIRST:
        if (future_poll(self->first, cx) == POLL_PENDING)
            return POLL_PENDING;
        if (self->between)
            self->between(self->first, self->second);
        self->state = THEN_SECOND;
        __attribute__((fallthrough)); /* a poll goes as far as it can */
    case THEN_SECOND:
        return future_poll(self->second, cx);
    }
    __builtin_unreachable();
}

static void then_drop(struct future *f)
{
    struct then *self = (struct then *)f;
    future_drop(self->first);
    future_drop(self->second);
}

FUTURE_TYPE(then, then_poll, then_drop);

struct then then_at(struct future *first, struct future *second, void (*between)(struct future *, struct future *),
                    const struct site *at)
{
    struct then self = {.first = first, .second = second, .between = between, .state = THEN_FIRST};
    future_init_at(&self.base, &then_type, at);
    return self;
}

/* A child that has finished must not be polled again. */
static enum poll poll_unless_finished(struct future *child, struct context *cx)
{
    return child->phase == FUTURE_FINISHED ? POLL_READY : future_poll(child, cx);
}

static enum poll join_poll(struct future *f, struct context *cx)
{
    struct join *self = (struct join *)f;
    enum poll left = poll_unless_finished(self->left, cx);
    enum poll right = poll_unless_finished(self->right, cx);
    return left == POLL_READY && right == POLL_READY ? POLL_READY : POLL_PENDING;
}

static void join_drop(struct future *f)
{
    struct join *self = (struct join *)f;
    future_drop(self->left);
    future_drop(self->right);
}

FUTURE_TYPE(join, join_poll, join_drop);

struct join join_at(struct future *left, struct future *right, const struct site *at)
{
    struct join self = {.left = left, .right = right};
    future_init_at(&self.base, &join_type, at);
    return self;
}
