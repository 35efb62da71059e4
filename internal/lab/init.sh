#!/bin/sh
# The first process of a user-mode kernel. GORB_LAB comes with the kernel's command line and is the
# directory shared with the outside, which wrote:
#   env        the job's environment     command   the job       fstab   what to mount
#   modprobe   modprobe, for the kernel's modules
# and reads:
#   out        what the job prints       status    how it ended
. "$GORB_LAB/env"

mount -a -T "$GORB_LAB/fstab"
ln -s /proc/self/fd /dev/fd

# IPVS whole, so that no test waits for a scheduler; of other modules, the kernel loads what it needs.
echo "$GORB_LAB/modprobe" >/proc/sys/kernel/modprobe
"$GORB_LAB/modprobe" -a ip_vs \
	ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_lblc ip_vs_lblcr ip_vs_sh ip_vs_mh \
	ip_vs_dh ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_pe_sip
ip link set lo up

sh "$GORB_LAB/command" </dev/null >>"$GORB_LAB/out" 2>&1
echo $? >"$GORB_LAB/status"

echo o >/proc/sysrq-trigger # power off
exec sleep 60
