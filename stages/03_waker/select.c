#include "select.h"

static enum poll select_won(struct select *self, struct future *winner, struct future *loser)
{
    self->winner = winner;
    future_drop(loser);
    return POLL_READY;
}

static enum poll select_poll(struct future *f, struct context *cx)
{
    struct select *self = (struct select *)f;

    if (future_poll(self->left, cx) == POLL_READY)
        return select_won(self, self->left, self->right);
    if (future_poll(self->right, cx) == POLL_READY)
        return select_won(self, self->right, self->left);
    return POLL_PENDING;
}

static void select_drop(struct future *f)
{
    struct select *self = (struct select *)f;

    if (self->left->phase != FUTURE_DROPPED)
        future_drop(self->left);
    if (self->right->phase != FUTURE_DROPPED)
        future_drop(self->right);
}

FUTURE_TYPE(select, select_poll, select_drop);

struct select select_first_at(struct future *left, struct future *right, const struct site *at)
{
    struct select self = {.left = left, .right = right};
    future_init_at(&self.base, &select_type, at);
    return self;
}
