;; A tool plugin with one tool, whose code comes in the place of the mark: a memory, a
;; `realloc`, and a `call` whose answer lies at 512.
(component
  (core module $tool
    ;; One definition: where its texts are, and these.
    (data (i32.const 256) "\00\00\00\00" "\10\01\00\00" "\01\00\00\00" "\00\00\00\00"
      "\80\01\00\00" "\06\00\00\00" "\90\01\00\00" "\08\00\00\00"
      "\a0\01\00\00" "\11\00\00\00")
    (data (i32.const 0x180) "attack")
    (data (i32.const 0x190) "Attacks.")
    (data (i32.const 0x1a0) "{\"type\":\"object\"}")
    (func (export "definitions") (result i32) (i32.const 256))
    (; the tool ;)
  )
  (core instance $tool (instantiate $tool))
  (alias core export $tool "memory" (core memory $memory))
  (alias core export $tool "realloc" (core func $realloc))
  (type $definition-type (record (field "name" string) (field "description" string)
    (field "parameters" string)))
  (type $call-type (record (field "id" string) (field "name" string)
    (field "arguments" string)))
  (type $output-type (record (field "content" string) (field "is-error" bool)
    (field "exit-status" (option s32)) (field "omitted-bytes" u64)))
  (type $error-type (variant (case "unknown-tool" string) (case "invalid-arguments" string)
    (case "timed-out" string) (case "trapped" string) (case "limit-reached" string)
    (case "other" string)))
  (import "catena:plugin/types@0.1.0" (instance $types
    (alias outer 1 $definition-type (type $d))
    (export "tool-definition" (type (eq $d)))
    (alias outer 1 $call-type (type $c))
    (export "tool-call" (type (eq $c)))
    (alias outer 1 $output-type (type $o))
    (export "tool-output" (type (eq $o)))
    (alias outer 1 $error-type (type $e))
    (export "tool-error" (type (eq $e)))))
  (alias export $types "tool-definition" (type $definition))
  (alias export $types "tool-call" (type $call))
  (alias export $types "tool-output" (type $output))
  (alias export $types "tool-error" (type $error))
  (func $definitions (result (result (list $definition) (error $error)))
    (canon lift (core func $tool "definitions") (memory $memory) (realloc $realloc)))
  (func $run (param "call" $call) (result (result $output (error $error)))
    (canon lift (core func $tool "call") (memory $memory) (realloc $realloc)))
  (instance $provider
    (export "definitions" (func $definitions))
    (export "call" (func $run)))
  (export "catena:plugin/tool-provider@0.1.0" (instance $provider)))
