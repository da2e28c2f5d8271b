# A member of etcd begins its life: `STATE NAME UNIT UNIT_NAME DATA`; STATE is `new` or `existing`. On standard input the value
# of ETCD_INITIAL_CLUSTER. The permit that lets the unit start on an empty data directory goes when the member is ready.

state=$1
name=$2
unit=$3
unit_name=$4
data=$5
members=$(cat)

lock
if [ -d ".$data/member" ]; then
    systemctl --quiet is-active -- "$unit" && answer already-done
else
    for left in ".$data"/*; do
        [ ! -e "$left" ] || stale "$data" empty "${left#.}"
    done
fi
[ -s ./var/lib/fmp/cluster-id ] || stale /var/lib/fmp/cluster-id "the cluster's id" absent
read -r cluster <./var/lib/fmp/cluster-id
begin
note "$name" etcd-member absent
note "$unit_name" unit absent "unit $unit"
keep_notes
if [ ! -d ".$data/member" ]; then
    replace ./run/fmp/etcd-permit.env "ETCD_INITIAL_CLUSTER=$members
ETCD_INITIAL_CLUSTER_STATE=$state
ETCD_INITIAL_CLUSTER_TOKEN=$cluster" || exit 1
fi
systemctl --quiet enable --no-reload -- "$unit" || exit 1
systemctl reset-failed -- "$unit" 2>/dev/null
systemctl --no-block start -- "$unit" || exit 1
answer done
