/* Records a run whose names are full of what could mean something to Mermaid. */
#include "../../trace/trace.h"

#define NOTE(text) trace_note(text, 1)

int main(void)
{
    trace_thread_name("main; end %%{init: 1}%%");
    NOTE("a; b");
    NOTE("a # b #35; c");
    NOTE("a: b");
    NOTE("<b onclick=\"x()\">bold</b> & 'quoted' \"text\"");
    NOTE("end");
    NOTE("%% no comment");
    NOTE("%%{init: {\"theme\": \"dark\"}}%%");
    NOTE("a ->> b: c");
    NOTE("wrap: nowrap: + - * \\ / ~ ^ ` $ { } [ ] ( ) | ! ? @ = , .");
    NOTE("\xc3\xa4\xc3\xb6\xc3\xbc \xe2\x86\x92 \xf0\x9f\x90\xa2");
    NOTE("a\nb");
    NOTE("");
    TRACE(FUTURE_NEW, 0, trace_site_number(SITE("<b>;#:&\"\\ end %% -->> loop")), 1);
    for (uint32_t task = 1; task <= 300; task++) { /* more than fits Mermaid's limits, and nothing repeats */
        TRACE(TASK_SPAWN, task % 9 + 1, 0, task * task);
        TRACE(DEREGISTER, 0, task * task, 0);
        TRACE(QUEUE_POP, task % 7, task % 3, task);
    }
    return 0;
}
