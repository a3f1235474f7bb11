/* The contracts that `lifeline check` holds a recording against.
 *
 * A rule is asked before each event of its kinds whether that event may happen now, with the model as it is just before
 * it; some are asked once more at the end. The first rule in the table that complains about an event has the word: what
 * else is wrong with that event follows from it. */
#ifndef RULES_H
#define RULES_H

#include "model.h"

/* What a verdict rests on: it decides what an incomplete recording leaves open. */
enum rule_scope {
    RULE_OF_THREAD, /* the order of events on one thread */
    RULE_OF_TASK,   /* what several threads did to one task */
    RULE_OF_QUEUE,
    RULE_OF_END, /* what is left over at the end; told only if nothing else is broken */
};

struct check;

struct rule {
    const char *id;      /* never changes: people look it up and write it in tests */
    const char *says;    /* the contract in one sentence */
    const char *chapter; /* the page that teaches it */
    enum rule_scope scope;
    uint8_t kinds[16]; /* that it is asked about, up to the first 0; none: all */
    /* True when it has complained. task: the one that the event names, NULL if none or unknown. */
    bool (*event)(struct check *c, const struct event *ev, struct model_task *task);
    void (*end)(struct check *c);
};

struct finding {
    const struct rule *rule;
    uint32_t task;  /* 0: none */
    size_t event;   /* index */
    size_t follows; /* 0, or 1 + the index of an earlier finding about the same task, or without one on its thread */
    char text[400];
};

struct debt {      /* what a thread has begun and must go on with */
    uint32_t owes; /* the task that it must queue next, or 0 */
    size_t owes_since;
    uint32_t pushed; /* the task that it queued for a reason still to come, or 0 */
    size_t pushed_at;
};

struct check {
    const struct recording *rec;
    struct model m;
    bool complete;           /* ended in order, nothing dropped: what did not happen will not happen any more */
    size_t end;              /* events that are judged */
    size_t queues_known;     /* later events may follow from one that a killed thread did not record any more */
    struct map tasks_known;  /* the same for a task, where there is such a moment */
    struct debt *debts;      /* [threads + 1] */
    const struct rule *rule; /* that is asked */
    struct finding *findings;
    size_t finding_count;
    struct map blamed; /* task or thread -> its first finding */
    struct map told;   /* rule and task, of the findings */
};

extern const struct rule rules[]; /* up to one whose id is NULL */

/* Judges the whole recording; check_free gives the findings back. */
void check_run(struct check *c, const struct recording *rec);
void check_free(struct check *c);

/* For rules: the rule that is asked has found something. event: an index; task: 0 for none. Returns true. */
bool complain(struct check *c, size_t event, uint32_t task, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* After each event, whatever the rules said: keeps the debts. */
void rules_follow(struct check *c, const struct event *ev, const struct model_task *task);

#define RULE(name) bool name(struct check *c, const struct event *ev, struct model_task *task)
RULE(rule_thread);
RULE(rule_format);
RULE(rule_nesting);
RULE(rule_spawned);
RULE(rule_after_free);
RULE(rule_poll_after_ready);
RULE(rule_one_poll);
RULE(rule_taken);
RULE(rule_poll_without_wake);
RULE(rule_poll_number);
RULE(rule_lost_wake);
RULE(rule_pending_without_waker);
RULE(rule_states);
RULE(rule_one_queue);
RULE(rule_queue);
RULE(rule_steal);
RULE(rule_wakers);
RULE(rule_waits);
RULE(rule_futures);
RULE(rule_join);
RULE(rule_block_on);
RULE(rule_registration);
RULE(rule_turn);
RULE(rule_timers);
RULE(rule_locks);
RULE(rule_park);
RULE(rule_runtime);

void rule_unfinished_end(struct check *c);
void rule_lost_wake_end(struct check *c);
void rule_not_dropped_end(struct check *c);
void rule_deadlock_end(struct check *c);
void rule_runtime_end(struct check *c);

#endif
