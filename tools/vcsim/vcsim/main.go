// Command vcsim serves govmomi's vCenter simulator, linked from the pinned release.
//
// Upstream keeps its main package in a nested module without tags, which cannot be pinned like a release; the
// simulator itself is in the tagged library. The flags are named as upstream names them, so the upstream binary can
// stand in for this one, except -uuid: every upstream vcsim has the same instance UUID, and two of them look like one.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"

	// Endpoints beside the SOAP API: each registers itself when it is linked. Single sign-on is left out: it takes over
	// the check of names such as user@vsphere.local and then refuses the one given here.
	_ "github.com/vmware/govmomi/lookup/simulator"
	_ "github.com/vmware/govmomi/pbm/simulator"
	_ "github.com/vmware/govmomi/vapi/cis/tasks/simulator"
	_ "github.com/vmware/govmomi/vapi/cluster/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
	_ "github.com/vmware/govmomi/vapi/vm/simulator"
)

type options struct {
	listen, username, password, certificate, key, load string
}

func main() {
	model := simulator.VPX()
	options := parse(model)

	if err := serve(model, options); err != nil {
		log.Fatal(err)
	}
}

func parse(model *simulator.Model) options {
	var o options
	about := &model.ServiceContent.About

	flag.IntVar(&model.Datacenter, "dc", model.Datacenter, "datacenters")
	flag.IntVar(&model.Cluster, "cluster", model.Cluster, "clusters in each datacenter")
	flag.IntVar(&model.ClusterHost, "host", model.ClusterHost, "hosts in each cluster")
	flag.IntVar(&model.Host, "standalone-host", model.Host, "hosts outside any cluster, in each datacenter")
	flag.IntVar(&model.Pool, "pool", model.Pool, "resource pools in each cluster")
	flag.IntVar(&model.Datastore, "ds", model.Datastore, "datastores in each datacenter")
	flag.IntVar(&model.Pod, "pod", model.Pod, "storage pods in each datacenter")
	flag.IntVar(&model.Folder, "folder", model.Folder, "folders around each datacenter")
	flag.IntVar(&model.App, "app", model.App, "virtual apps in each cluster")
	flag.IntVar(&model.Machine, "vm", model.Machine, "virtual machines in each resource pool")
	flag.BoolVar(&model.Autostart, "autostart", model.Autostart, "power the machines of the model on")
	flag.IntVar(&model.DelayConfig.Delay, "delay", 0, "milliseconds before every answer")
	flag.StringVar(&about.ApiVersion, "api-version", about.ApiVersion, "API version to announce")
	flag.StringVar(&about.InstanceUuid, "uuid", about.InstanceUuid, "instance UUID to announce")

	flag.StringVar(&o.listen, "l", "127.0.0.1:8989", "address to listen on; port 0 picks a free one")
	flag.StringVar(&o.username, "username", "", "the only username to let in (any, when empty)")
	flag.StringVar(&o.password, "password", "", "password of that user")
	flag.StringVar(&o.certificate, "tlscert", "", "certificate file")
	flag.StringVar(&o.key, "tlskey", "", "key file of the certificate")
	flag.StringVar(&o.load, "load", "", "serve the inventory saved in this folder instead of a made one")
	flag.Parse()
	return o
}

func serve(model *simulator.Model, o options) error {
	fill := model.Create
	if o.load != "" {
		fill = func() error { return model.Load(o.load) }
	}
	if err := fill(); err != nil {
		return fmt.Errorf("make the inventory: %w", err)
	}
	defer model.Remove()

	service := model.Service
	service.RegisterEndpoints = true
	service.Listen = &url.URL{Host: o.listen}
	if o.username != "" {
		service.Listen.User = url.UserPassword(o.username, o.password)
	}
	service.TLS = new(tls.Config)
	if o.certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
		if err != nil {
			return fmt.Errorf("load the certificate: %w", err)
		}
		service.TLS.Certificates = []tls.Certificate{pair}
	}

	// Before the server starts, so that a signal always ends in model.Remove, which deletes the datastores' files.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)

	server := service.NewServer()
	defer server.Close()
	// One line, as upstream prints it; whoever started this reads the chosen port from it.
	fmt.Printf("export GOVC_URL=%s GOVC_SIM_PID=%d\n", server.URL, os.Getpid())
	<-stop
	return nil
}
