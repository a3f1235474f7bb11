# The servers that nothing needs to be built for: nginx is a program of the distribution, and started by a script.

ifneq ($(wildcard /usr/sbin/nginx),)
BENCH_PROGRAMS += $(BENCH_DIR)/http-nginx
endif

$(BENCH_DIR)/http-nginx: bench/http/nginx
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@
