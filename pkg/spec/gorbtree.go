package spec

// fromGORB takes the records that the first GORB put into a store for what they mean here. It wrote every field, so
// that what was left out is "" or null, and a backend in a tree of its own that names its service:
//
//	services/web  {"host":"","port":80,"protocol":"tcp","method":"wrr","flags":"","persistent":false}
//	backends/a    {"host":"10.1.0.1","port":80,...,"pulse":{"type":"tcp","interval":"1m","args":null},"vsid":"web"}
//
// A vsid that cannot name a service stays, and so does the place, for the schema to refuse.
func (d *Document) fromGORB(root map[string]any) {
	if len(d.at) != 2 || d.at[0] != "services" && d.at[0] != "backends" {
		return
	}
	if root["host"] == "" && d.at[0] == "services" {
		delete(root, "host")
	}
	if pulse, ok := root["pulse"].(map[string]any); ok {
		if args, there := pulse["args"]; there && args == nil {
			delete(pulse, "args")
		}
	}
	if service, ok := root["vsid"].(string); ok && d.at[0] == "backends" && isName(service) {
		delete(root, "vsid")
		d.at = path{"services", service, "backends", d.at[1]}
	}
}
