#!/bin/sh
# Says what the configuration would change on each director.
#
#   plan.sh              by the tables that deploy.sh wrote down last, tables/*.json
#   plan.sh DIRECTOR...  asks the directors, with their overrides and the health of their backends: at a URL such as
#                        https://lb1.example:4672, with the token in GORB_TOKEN, for which role read is enough, and
#                        GORB_CA, a file, for who signs the certificate; one without :// by ssh
#
# That there is something to change is no failure. That it cannot be told is one, and so is what gorb could not do.
set -u
cd "$(dirname "$0")"
failed=0

told() { # the exit code of gorb plan --exit-code
	case $1 in
	0 | 3) ;;
	*) failed=1 ;;
	esac
}

# A table does not say what is gorb's. With -f all of it is, so that a service that is taken out shows as -D.
if [ $# -eq 0 ]; then
	for table in tables/*.json; do
		echo "# $table"
		gorb plan --exit-code -f --against "$table" conf/gorb.toml
		told $?
	done
fi
for director; do
	echo "# $director"
	case $director in
	*://*)
		gorb plan --exit-code --server "$director" ${GORB_CA:+--ca-file "$GORB_CA"} conf/gorb.toml
		told $?
		continue
		;;
	esac
	tar -C conf -cf - . | ssh "$director" 'new=$(mktemp -d) && tar -C "$new" -xf - && gorb plan --exit-code "$new/gorb.toml"
		code=$?; rm -rf "$new"; exit $code'
	told $?
done
exit $failed
