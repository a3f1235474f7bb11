/* Numbers for recordings and messages: from 1, each only once in a program. */
#ifndef IDS_H
#define IDS_H

#include <stdint.h>

enum id_kind { ID_FUTURE, ID_TASK, ID_QUEUE, ID_KINDS };

/* What a thread has in stock. */
struct id_block {
    uint32_t next, end;
};
extern _Thread_local struct id_block id_stock[ID_KINDS];

void id_refill(struct id_block *stock, enum id_kind kind);

/* Any thread. A thread takes numbers in blocks, so that threads which make many futures at once do not fight for one
 * counter; only while a recording is made one by one, as then a person will read them. */
static inline uint32_t id_new(enum id_kind kind)
{
    if (id_stock[kind].next == id_stock[kind].end)
        id_refill(&id_stock[kind], kind);
    return id_stock[kind].next++;
}

#endif
