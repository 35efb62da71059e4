#!/bin/sh
# Brings the configuration to each director, waits until the kernel is as it says, and writes down the table.
#
#   deploy.sh DIRECTOR...
#
# A director has /etc/gorb/releases/NAME, of which /etc/gorb/current is one, and runs gorb run /etc/gorb/current/gorb.toml.
# The link is changed when all files are there and gorb finds them right, so that it never sees a part.
set -eu
cd "$(dirname "$0")"
etc=${GORB_ETC:-/etc/gorb}
release=$(date -u +%Y%m%dT%H%M%SZ)

for director; do
	echo "# $director"
	tar -C conf -cf - . | ssh "$director" "set -e
		new=$etc/releases/$release
		mkdir -p \$new
		tar -C \$new -xf -
		gorb check \$new/gorb.toml
		ln -sfn releases/$release $etc/current.new
		mv -T $etc/current.new $etc/current
		gorb reload
		for try in 1 2 3 4 5 6 7 8 9 10; do
			sleep 1
			gorb plan --exit-code $etc/current/gorb.toml >/dev/null 2>&1 && exit 0
		done
		gorb plan $etc/current/gorb.toml
		exit 1"
	ssh "$director" "gorb export --format json" >"tables/$director.json"
done
